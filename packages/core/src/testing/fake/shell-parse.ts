/** A piece of a word: text, or a variable to substitute. */
export type Piece = { readonly text: string } | { readonly variable: string; readonly quoted: boolean };
export type Word = readonly Piece[];

export interface Redirection {
  readonly from: 0 | 1 | 2;
  readonly to: { readonly descriptor: 1 | 2 } | { readonly file: Word; readonly append: boolean };
}

export interface Command {
  readonly words: readonly Word[];
  readonly redirections: readonly Redirection[];
  /** The operator after it, which decides whether the next one runs. */
  readonly then: ";" | "&" | "&&" | "||";
}

const OPERATOR = /^(?:&&|\|\||[;&\n])/;
const REDIRECTION = /^([012]?)(>>|>&|>|<)/;
const VARIABLE = /^\$(?:\{(\w+)\}|(\w+)|([$!?#@]))/;
const UNKNOWN = /^(?:`|\$\(|\||\()/;

/** Parses a script in the small subset of the shell language that a fake instance knows. @throws {SyntaxError} */
export function parseScript(script: string): Command[] {
  const commands: Command[] = [];
  let words: Word[] = [];
  let redirections: Redirection[] = [];
  let rest = script;
  const take = (count: number) => {
    rest = rest.slice(count);
  };
  const finish = (then: Command["then"]) => {
    if (words.length > 0 || redirections.length > 0) commands.push({ words, redirections, then });
    words = [];
    redirections = [];
  };
  for (;;) {
    take(/^[ \t]*/.exec(rest)?.[0].length ?? 0);
    if (rest.startsWith("#")) take(/^[^\n]*/.exec(rest)?.[0].length ?? 0);
    if (rest === "") break;
    const operator = OPERATOR.exec(rest)?.[0];
    const redirection = REDIRECTION.exec(rest);
    if (operator !== undefined) {
      take(operator.length);
      finish(operator === "\n" ? ";" : (operator as Command["then"]));
    } else if (redirection !== null) {
      take(redirection[0].length);
      redirections.push(parseTarget(redirection));
    } else words.push(parseWord());
  }
  finish(";");
  return commands;

  function parseTarget([, descriptor = "", operator = ""]: RegExpExecArray): Redirection {
    const from = (descriptor === "" ? (operator === "<" ? 0 : 1) : Number(descriptor)) as 0 | 1 | 2;
    take(/^[ \t]*/.exec(rest)?.[0].length ?? 0);
    const file = parseWord();
    if (operator !== ">&") return { from, to: { file, append: operator === ">>" } };
    const [piece] = file;
    return { from, to: { descriptor: piece !== undefined && "text" in piece && piece.text === "2" ? 2 : 1 } };
  }

  function parseWord(): Word {
    const pieces: Piece[] = [];
    while (rest !== "" && !/^[ \t]/.test(rest) && !OPERATOR.test(rest) && !/^[<>]/.test(rest)) {
      const unknown = UNKNOWN.exec(rest);
      if (unknown !== null) throw new SyntaxError(`a fake instance's sh does not know ${unknown[0]}`);
      if (rest.startsWith("'")) {
        pieces.push({ text: rest.slice(1, closing("'")) });
        take(closing("'") + 1);
      } else if (rest.startsWith('"')) {
        take(1);
        pieces.push({ text: "" });
        while (!rest.startsWith('"')) pieces.push(parsePiece(/^[^"$\\]+/, true));
        take(1);
      } else pieces.push(parsePiece(/^[^\s;&<>'"$\\`|()]+/, false));
    }
    return pieces;
  }

  function parsePiece(plain: RegExp, quoted: boolean): Piece {
    const variable = VARIABLE.exec(rest);
    if (variable !== null) {
      take(variable[0].length);
      return { variable: variable[1] ?? variable[2] ?? variable[3] ?? "", quoted };
    }
    const text = rest.startsWith("\\") ? rest.slice(1, 2) : (plain.exec(rest)?.[0] ?? rest.slice(0, 1));
    if (text === "") throw new SyntaxError("unterminated quoted string");
    take(rest.startsWith("\\") ? 2 : text.length);
    return { text };
  }

  function closing(quote: string): number {
    const end = rest.indexOf(quote, 1);
    if (end < 0) throw new SyntaxError("unterminated quoted string");
    return end;
  }
}
