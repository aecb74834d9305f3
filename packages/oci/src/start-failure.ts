import { CommandError, NotFoundError } from "@pileus/core";

/** start.c (start) of liblxc: what execvp(3) said of the program, which is looked for inside. */
const NO_PROGRAM = /No such file or directory - Failed to exec "/;

/** What a failed launch means, where it is the program that is missing. */
export function translateStartFailure(error: unknown, program: string): unknown {
  if (!(error instanceof CommandError) || !NO_PROGRAM.test(error.stderr)) return error;
  return new NotFoundError("program", program, {
    cause: error,
    hint: "it is neither a path in the instance nor found by its PATH, or its interpreter is missing",
  });
}
