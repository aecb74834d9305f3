import { posix } from "node:path";
import { Readable } from "node:stream";
import { FileError } from "../../errors/all.ts";
import { parseSignal } from "../../files/signal-name.ts";
import type { ExitStatus } from "../../terms/state.ts";
import type { FakeCall, FakeProgram } from "./process.ts";
import { type Command, parseScript, type Redirection, type Word } from "./shell-parse.ts";
import { fileSink, nothing, nowhere, type Sink, Source, type Stdio } from "./stdio.ts";

/**
 * `sh -c SCRIPT [NAME [ARGUMENT …]]` or `sh FILE`: words, quotes, variables and `$1 $@ $# $? $$ $!`, redirections, `;`,
 * `&`, `&&`, `||`, and the built-ins `: cd exec exit export kill read wait`. No pipes, no control flow, no substitution
 * of commands.
 */
export const sh: FakeProgram = async (call) => {
  const [, first, ...rest] = call.argv;
  const inline = first === "-c";
  const script = inline ? rest[0] : first;
  if (script === undefined) return await call.complain("sh: a fake instance's sh is not interactive\n").then(() => 2);
  const text = inline ? script : call.tree.content("read", posix.resolve(call.cwd, script)).toString();
  try {
    return await new Shell(call, inline ? rest.slice(2) : rest).run(parseScript(text));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof FileError)) throw error;
    await call.complain(`sh: ${error.message}\n`);
    return 2;
  }
};

class Exit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

class Shell {
  readonly #call: FakeCall;
  readonly #arguments: readonly string[];
  readonly #background: Promise<ExitStatus>[] = [];
  #variables: Record<string, string>;
  #cwd: string;
  #status = 0;
  #child = "";

  constructor(call: FakeCall, args: readonly string[]) {
    this.#call = call;
    this.#arguments = args;
    this.#variables = { ...call.env };
    this.#cwd = call.cwd;
  }

  async run(commands: readonly Command[]): Promise<number> {
    let wanted = true;
    try {
      for (const command of commands) {
        if (wanted) this.#status = await this.#command(command);
        if (command.then === "&&") wanted = wanted && this.#status === 0;
        else if (command.then === "||") wanted = !wanted || this.#status !== 0;
        else wanted = true;
      }
      return this.#status;
    } catch (error) {
      if (error instanceof Exit) return error.code;
      throw error;
    }
  }

  async #command(command: Command): Promise<number> {
    const words = command.words.flatMap((word) => this.#expand(word));
    const assignment = words.length === 1 ? /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(words[0] ?? "") : null;
    if (assignment !== null) {
      this.#variables[assignment[1] ?? ""] = assignment[2] ?? "";
      return 0;
    }
    const stdio = this.#redirect(command.redirections);
    // Kept open while this shell may write to it itself; a program that it starts keeps its own end.
    for (const end of [stdio.stdin, stdio.stdout, stdio.stderr]) end.hold();
    try {
      return await this.#run(words, stdio, command.then === "&");
    } finally {
      for (const end of [stdio.stdin, stdio.stdout, stdio.stderr]) end.release();
    }
  }

  async #run(words: readonly string[], stdio: Stdio, background: boolean): Promise<number> {
    const call = this.#call;
    const [name = ":", ...rest] = words;
    const changes = { env: this.#variables, cwd: this.#cwd, stdio };
    switch (name) {
      case ":":
        return 0;
      case "exit":
        throw new Exit(Number(rest[0] ?? this.#status) & 0xff);
      case "cd": {
        const target = posix.resolve(this.#cwd, rest[0] ?? this.#variables["HOME"] ?? "/");
        if (call.tree.find(target)?.type !== "directory") {
          stdio.stderr.stream.write(`sh: cd: can't cd to ${target}\n`);
          return 2;
        }
        this.#cwd = target;
        return 0;
      }
      case "export":
        for (const [, key = "", value] of rest.map((word) => /^(\w+)(?:=([\s\S]*))?$/.exec(word) ?? []))
          if (value !== undefined) this.#variables[key] = value;
        return 0;
      case "read": {
        const line = await stdio.stdin.takeLine(call.signal);
        this.#variables[rest.at(-1) ?? "REPLY"] = line?.replace(/\n$/, "") ?? "";
        return line === undefined ? 1 : 0;
      }
      case "wait":
        await Promise.race([Promise.all(this.#background), aborted(call.signal)]);
        call.signal.throwIfAborted();
        return 0;
      case "exec":
        throw new Exit(await call.become(rest, changes));
      default: {
        const child = call.start(words, {
          ...changes,
          ...(background ? { stdio: { ...stdio, stdin: nothing() } } : {}),
        });
        if (background) {
          this.#child = String(child.pid);
          this.#background.push(child.exit);
          return 0;
        }
        await Promise.race([child.exit, aborted(call.signal)]);
        call.signal.throwIfAborted();
        const status = await child.exit;
        return status.kind === "exited" ? status.code : 128 + (parseSignal(status.signal) ?? 0);
      }
    }
  }

  #redirect(redirections: readonly Redirection[]): Stdio {
    const { stdio } = this.#call;
    let { stdin } = stdio;
    const out = { 1: stdio.stdout, 2: stdio.stderr };
    for (const { from, to } of redirections) {
      if ("descriptor" in to) {
        if (from !== 0) out[from] = out[to.descriptor];
        continue;
      }
      const path = posix.resolve(this.#cwd, this.#expand(to.file)[0] ?? "");
      if (from === 0) {
        const content = path === "/dev/null" ? [] : [this.#call.tree.content("read", path)];
        stdin = new Source(Readable.from(content, { objectMode: false }));
      } else out[from] = this.#file(path, to.append);
    }
    return { stdin, stdout: out[1], stderr: out[2] };
  }

  #file(path: string, append: boolean): Sink {
    const { output, tree, stdio } = this.#call;
    if (path === "/dev/null") return nowhere();
    if (path === "/dev/stdout") return stdio.stdout;
    if (path === "/dev/stderr") return stdio.stderr;
    return output.file(path) ?? fileSink(tree, path, append);
  }

  /** A word of only empty unquoted variables is dropped; values are never split. */
  #expand(word: Word): string[] {
    const [only] = word.filter((piece) => !("text" in piece && piece.text === ""));
    if (word.length <= 2 && only !== undefined && "variable" in only && only.variable === "@")
      return [...this.#arguments];
    const text = word.map((piece) => ("text" in piece ? piece.text : this.#value(piece.variable))).join("");
    return text === "" && word.every((piece) => "variable" in piece && !piece.quoted) ? [] : [text];
  }

  #value(name: string): string {
    if (/^[1-9]$/.test(name)) return this.#arguments[Number(name) - 1] ?? "";
    switch (name) {
      case "$":
        return String(this.#call.pid);
      case "!":
        return this.#child;
      case "?":
        return String(this.#status);
      case "#":
        return String(this.#arguments.length);
      case "@":
        return this.#arguments.join(" ");
      default:
        return this.#variables[name] ?? "";
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
