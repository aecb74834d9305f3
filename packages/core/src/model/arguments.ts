import type { ConfigIssue } from "../errors/all.ts";

/** The most bytes of one argument, or of one variable with its name. execve(2): MAX_ARG_STRLEN, less the NUL. */
const LONGEST = 131_071;

/**
 * The most bytes of all arguments and variables of a call, each with its NUL and a pointer. execve(2) accepts 2 MiB, a
 * quarter of the usual stack; the rest is for the variables that image and driver add.
 */
const MOST = 1_966_080;
const POINTER = 8;

/** Whether a string can be encoded as UTF-8: a lone surrogate would arrive as another character. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Whether the kernel accepts a string as an argument or a variable. */
export function isPassable(text: string): boolean {
  return Buffer.byteLength(text) <= LONGEST;
}

/** The message for a string that it does not accept. */
export function tooLong(what: string): string {
  return `E2BIG: Linux accepts ${what} of at most ${LONGEST} bytes: pass more by stdin or a file`;
}

/** The issue of a call whose arguments and variables are too many, for every kind of instance. */
export function refusedArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): readonly ConfigIssue[] {
  const strings = [...argv, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  const size = strings.reduce((sum, text) => sum + Buffer.byteLength(text) + 1 + POINTER, 0);
  if (size <= MOST) return [];
  const message = `E2BIG: arguments and variables take ${size} bytes, more than the limit of ${MOST}: pass more by stdin or a file`;
  return [{ path: ["argv"], message }];
}
