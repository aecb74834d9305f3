/** The part of a message that quotes what an instance printed last; none if it printed nothing. */
export function quoteLastLines(lastLines: string | undefined): readonly string[] {
  return lastLines === undefined ? [] : [`its last output: ${lastLines.split("\n").join(" | ")}`];
}
