import { z } from "zod";
import { SignalSchema } from "./call-options.ts";
import { ContentSchema } from "./content.ts";
import { ExecSchema } from "./exec.ts";
import { InstanceKindSchema } from "./instance-kind.ts";

const AmountSchema = (what: string) =>
  z.custom<number>((value) => typeof value === "number" && value >= 0, `must be ${what}, 0 or more, or Infinity`);

const TimeoutSchema = AmountSchema("a number of milliseconds");

/** A number of bytes that is a bound, and may be none. */
export const BoundSchema = AmountSchema("a number of bytes");

/**
 * What is checked of the options of `stop()` before anything is asked of the instance: a word that is no mode must not
 * kill.
 */
export const StopOptionsSchema = z.strictObject({
  mode: z.enum(["ask", "ask-then-kill", "kill"]).default("ask"),
  timeout: TimeoutSchema.default(30_000),
  signal: SignalSchema.optional(),
});

/** Of `host.list()`. */
export const ListOptionsSchema = z.strictObject({
  labels: z.record(z.string(), z.string()).default({}),
  kind: InstanceKindSchema.optional(),
  driver: z.string().optional(),
  state: z.enum(["recorded", "live"]).default("recorded"),
  signal: SignalSchema.optional(),
});

/** Of `ready()`. */
export const ReadyOptionsSchema = z.strictObject({
  timeout: TimeoutSchema.default(120_000),
  signal: SignalSchema.optional(),
});

/** Of `run()`, with its argv: what `exec()` takes on pipes, and bounds. */
export const RunSchema = ExecSchema.omit({ tty: true }).extend({
  timeout: TimeoutSchema.default(Number.POSITIVE_INFINITY),
  maxOutput: BoundSchema.default(16 * 2 ** 20),
  stdin: ContentSchema.optional(),
});
