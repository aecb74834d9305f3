import { z } from "zod";
import { isNameText, nameBytes } from "../files/byte-name.ts";
import { TimeoutSchema } from "./amount.ts";
import { isPassable, isWellFormed, tooLong } from "./arguments.ts";
import { SignalSchema } from "./call-options.ts";
import { EnvSchema } from "./env.ts";

const noNul = (what: string) => z.string().regex(/^[^\0]*$/, `${what} has no NUL`);
const ArgumentSchema = noNul("an argument")
  .refine(isWellFormed, "an argument is UTF-8, without lone surrogates: it cannot be a file name that is none")
  .refine(isPassable, tooLong("an argument"));

/**
 * A path inside an instance: absolute, of at most 4095 bytes (PATH_MAX less the NUL, limits.h), in the text that stands
 * for its bytes (files/byte-name.ts).
 */
export const InsidePathSchema = noNul("a path")
  .regex(/^\//, "a path inside an instance is absolute")
  .refine(isNameText, {
    error: "a path has no lone surrogate but U+DC80 to U+DCFF, which stand for bytes",
    abort: true,
  })
  .refine((path) => nameBytes(path).length <= 4095, "a path has at most 4095 bytes");

const CellsSchema = z.number().int().min(1).max(65535);

/** A terminal's size: the kernel keeps it in 16 bits (struct winsize, ioctl_tty(2)). */
export const TerminalSizeSchema = z.strictObject({ columns: CellsSchema, rows: CellsSchema });

/**
 * A user of the instance: a name, a number, or two numbers. A name cannot hold what separates the fields of passwd(5).
 */
const UserSchema = z
  .string()
  .regex(/^(?:\d+(?::\d+)?|[a-zA-Z_][^\0-\x20:/]{0,255})$/, "a user is a name, a uid, or uid:gid");

const ListenerSchema = z.custom<(line: string) => void>((value) => typeof value === "function", "must be a function");

/** What is checked of every call that starts a program, before the driver sees it: a misspelt `user` must not run as root. */
export const ProgramSchema = z.strictObject({
  argv: z.tuple([ArgumentSchema.min(1, "a program has a name")]).rest(ArgumentSchema),
  env: EnvSchema.default({}),
  cwd: InsidePathSchema.refine(isWellFormed, "a working directory is UTF-8").optional(),
  user: UserSchema.optional(),
  tty: TerminalSizeSchema.optional(),
  timeout: TimeoutSchema.default(Number.POSITIVE_INFINITY),
  onStdout: ListenerSchema.optional(),
  onStderr: ListenerSchema.optional(),
  signal: SignalSchema.optional(),
});

/** Of `exec()`. A terminal has one stream, of which no lines are told. */
export const ExecSchema = ProgramSchema.refine(({ tty, onStdout }) => tty === undefined || onStdout === undefined, {
  path: ["onStdout"],
  error: "a terminal tells no lines: read its stream, or leave out tty",
}).refine(({ tty, onStderr }) => tty === undefined || onStderr === undefined, {
  path: ["onStderr"],
  error: "a terminal tells no lines: read its stream, or leave out tty",
});
