import { z } from "zod";

const AmountSchema = (what: string) =>
  z.custom<number>((value) => typeof value === "number" && value >= 0, `must be ${what}, 0 or more, or Infinity`);

const TimeoutSchema = AmountSchema("a number of milliseconds");
const SizeSchema = AmountSchema("a number of bytes");

/**
 * What is checked of the options of `stop()` before anything is asked of the instance: a word that is no mode must not
 * kill.
 */
export const StopOptionsSchema = z.strictObject({
  mode: z.enum(["ask", "ask-then-kill", "kill"]),
  timeout: TimeoutSchema,
});

/** Of `ready()`. */
export const ReadyOptionsSchema = z.strictObject({ timeout: TimeoutSchema });

/** Of `run()`, beside what `exec()` checks. */
export const RunLimitsSchema = z.strictObject({ timeout: TimeoutSchema, maxOutput: SizeSchema });

/** Of `files.readAll()`. */
export const ReadAllOptionsSchema = z.strictObject({ maxSize: SizeSchema });
