import { z } from "zod";

/** A string without NUL, which no system call accepts within one. `what` names it in the message: `"a path"`. */
export function noNul(what: string, params?: Parameters<typeof z.string>[0]): z.ZodString {
  return z.string(params).regex(/^[^\0]*$/, `${what} cannot contain NUL`);
}
