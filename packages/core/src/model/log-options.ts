import { z } from "zod";
import { SignalSchema } from "./call-options.ts";

/** The streams of a log. */
export const LogStreamSchema = z.enum(["stdout", "stderr", "console"], {
  error: ({ input }) =>
    Array.isArray(input)
      ? "must be one of stdout, stderr and console: leave it out for all"
      : "must be stdout, stderr or console",
});

// A duration of 30 years is a moment in milliseconds since the epoch, from a caller who means that.
const LONGEST = 30 * 365 * 24 * 60 * 60 * 1000;

/** When a log begins: at that moment, or so many milliseconds ago. */
const SinceSchema = z.custom<number | Date>(
  (value) =>
    typeof value === "number" ? value >= 0 && value < LONGEST : value instanceof Date && !Number.isNaN(value.getTime()),
  {
    error: ({ input }) =>
      typeof input === "number" && input >= LONGEST
        ? `must be a Date, or how long ago in milliseconds: write new Date(${input})`
        : "must be a Date, or how long ago in milliseconds: 60_000 for a minute",
  },
);

/** The options of `logs()`. */
export const LogOptionsSchema = z.strictObject({
  stream: LogStreamSchema.optional(),
  follow: z.boolean().default(false),
  since: SinceSchema.optional(),
  tail: z
    .custom<number>(
      (value) => Number.isSafeInteger(value) && Number(value) >= 0,
      "must be a number of lines, 0 or more",
    )
    .optional(),
  timestamps: z.boolean().default(false),
  signal: SignalSchema.optional(),
});
