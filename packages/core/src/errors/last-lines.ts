/** The part of a message that quotes what an instance printed last; none if it printed nothing. */
export function quoteLastLines(lastLines: string | undefined): readonly string[] {
  return lastLines === undefined ? [] : [`its last output: ${lastLines.split("\n").join(" | ")}`];
}

/** How many lines of a program's output a message quotes, and how many characters of them. */
const TOLD = { lines: 5, characters: 1024 } as const;

/** The last lines of a program's output, as a message quotes them. */
export function lastLinesOf(output: string): string {
  return output.trimEnd().split("\n").slice(-TOLD.lines).join(" | ").slice(-TOLD.characters);
}
