import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import { isNameText, nameBytes } from "../text/byte-name.ts";
import { TimeoutSchema } from "./amount.ts";
import { isPassable, isWellFormed, tooLong } from "./arguments.ts";
import { SignalSchema } from "./call-options.ts";
import { EnvSchema } from "./env.ts";
import { noNul } from "./no-nul.ts";
import { required } from "./wording.ts";

/** One argument of a program, as execve(2) accepts it: at most 131,071 bytes of UTF-8 without NUL. */
export const ArgumentSchema = noNul("an argument", required("write an argument"))
  .refine(
    isWellFormed,
    "an argument must be valid Unicode, without lone surrogates: file names in other encodings cannot be passed",
  )
  .refine(isPassable, tooLong("an argument"));

/**
 * A path inside an instance: absolute, at most 4095 bytes (PATH_MAX less the NUL, limits.h). The text form of arbitrary
 * bytes is in files/byte-name.ts.
 */
export const InsidePathSchema = noNul("a path", required("write a path"))
  .regex(/^\//, "a path inside an instance must be absolute")
  .refine(isNameText, {
    error: "a path cannot contain lone surrogates except U+DC80 to U+DCFF, which represent bytes",
    abort: true,
  })
  .refine((path) => nameBytes(path).length <= 4095, "a path can have at most 4095 bytes");

const CellsSchema = z
  .number(required("write a number of character cells, as in { columns: 80, rows: 24 }"))
  .int()
  .min(1)
  .max(65535);

/** A terminal's size: the kernel keeps it in 16 bits (struct winsize, ioctl_tty(2)). */
export const TerminalSizeSchema = z.strictObject(
  { columns: CellsSchema, rows: CellsSchema },
  {
    error: ({ code }) =>
      code === "invalid_type" ? "must be a terminal's size: write { columns: 80, rows: 24 }" : undefined,
  },
);
type _TerminalSize = Holds<Same<TerminalSize, Frozen<z.output<typeof TerminalSizeSchema>>>>;

/** A command line that is longer is not quoted in a message. */
const LONGEST_QUOTE = 60;

/** The error of a schema for a list of arguments: says what to write instead of a command line, or of nothing. */
export function argvIssue({ code, input }: z.core.$ZodRawIssue): string | undefined {
  const what = "must be a list of a program and its arguments";
  if (code === "too_small") return `${what}, but is empty`;
  if (code !== "invalid_type") return undefined;
  if (typeof input !== "string") return `${what}: write ["ls", "-la"]`;
  const line = input.length > LONGEST_QUOTE || input.trim() === "" ? "ls -la" : input.trim();
  // Characters with a meaning to a shell: quotes, variables, patterns, operators (POSIX.1-2024, Shell Command Language,
  // 2.2).
  const words = /["'`\\$*?[\](){}|&;<>#~=]/.test(line) ? [] : [line.split(/\s+/)];
  const spellings = [...words, ["sh", "-c", line]].map(
    (argv) => `[${argv.map((one) => JSON.stringify(one)).join(", ")}]`,
  );
  return `${what}, but is a string: write ${spellings.join(", or for a command line of a shell ")}`;
}

/** A user of the instance: a name, a uid, or uid:gid. A name cannot contain the separators of passwd(5). */
const UserSchema = z
  .string()
  .regex(/^(?:\d+(?::\d+)?|[a-zA-Z_][^\0-\x20:/]{0,255})$/, "a user is a name, a uid, or uid:gid");

const ListenerSchema = z.custom<(line: string) => void>((value) => typeof value === "function", "must be a function");

/** Checks every call that starts a program before the driver sees it: a misspelt `user` must not run as root. */
export const ProgramSchema = z.strictObject({
  argv: z.tuple([ArgumentSchema.min(1, "the name of the program is empty")], { error: argvIssue }).rest(ArgumentSchema),
  env: EnvSchema.default({}),
  cwd: InsidePathSchema.refine(isWellFormed, "a working directory must be valid UTF-8").optional(),
  user: UserSchema.optional(),
  tty: TerminalSizeSchema.optional(),
  timeout: TimeoutSchema.default(Number.POSITIVE_INFINITY),
  onStdout: ListenerSchema.optional(),
  onStderr: ListenerSchema.optional(),
  signal: SignalSchema.optional(),
});

const NEITHER = "must be true, or be left out";

/** The options of `exec()` of a detached program. */
export const DetachedExecSchema = ProgramSchema.omit({
  tty: true,
  timeout: true,
  onStdout: true,
  onStderr: true,
}).extend({ detached: z.literal(true, NEITHER) });

/** The options of `exec()`. A terminal has one stream and no line listeners. */
export const ExecSchema = ProgramSchema.refine(({ tty, onStdout }) => tty === undefined || onStdout === undefined, {
  path: ["onStdout"],
  error: "a terminal tells no lines: read its stream, or leave out tty",
}).refine(({ tty, onStderr }) => tty === undefined || onStderr === undefined, {
  path: ["onStderr"],
  error: "a terminal tells no lines: read its stream, or leave out tty",
});
