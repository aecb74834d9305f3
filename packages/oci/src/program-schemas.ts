import { ArgumentSchema, argvIssue } from "@pileus/core/driver";
import { parseSignal } from "@pileus/core/files";
import { z } from "zod";

/** An entrypoint or a cmd, as a caller writes it: for an instance, or for an image. */
export const ArgumentsSchema = z.array(ArgumentSchema, { error: argvIssue }).max(10_000).readonly();

/** The working directory of a program. */
export const WorkdirSchema = z
  .string()
  .max(4096)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  .regex(/^\/[^\0-\x1f\x7f]*$/, "a working directory is an absolute path without control characters");

/** The user that a program runs as. */
export const UserSchema = z
  .string()
  .max(255)
  .regex(/^[^\0-\x20\x7f:]+(?::[^\0-\x20\x7f:]+)?$/, "a user is name, uid, name:group or uid:gid");

/** The signal that asks a program to end. */
export const StopSignalSchema = z
  .string()
  .refine((text) => parseSignal(text) !== undefined, "no such signal: write SIGTERM, SIGRTMIN+3 or a number");
