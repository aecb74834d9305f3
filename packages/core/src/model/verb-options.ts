import { z } from "zod";
import { InstanceKindSchema } from "../terms/instance-kind.ts";
import { BoundSchema, TimeoutSchema } from "./amount.ts";
import { ProgressListenerSchema, SignalSchema } from "./call-options.ts";
import { ContentSchema } from "./content.ts";
import { ProgramSchema } from "./exec.ts";
import { recordOf } from "./record-of.ts";
import { objectAs } from "./wording.ts";

/** Checks the options of `stop()` before the instance is asked anything: an unknown mode must not kill. */
export const StopOptionsSchema = z.strictObject({
  mode: z.enum(["ask", "ask-then-kill", "kill"]).default("ask"),
  timeout: TimeoutSchema.default(30_000),
  signal: SignalSchema.optional(),
});

/** When an instance expires: in that many milliseconds, or at that moment. */
const ExpiresSchema = z
  .custom<number | Date>(
    (value) => (typeof value === "number" ? value > 0 : value instanceof Date && value.getTime() > Date.now()),
    "must be a number of milliseconds above 0, or a Date in the future",
  )
  .optional();

/** The options of `host.create()`. */
export const CreateOptionsSchema = z.strictObject({
  expires: ExpiresSchema,
  onProgress: ProgressListenerSchema.optional(),
  signal: SignalSchema.optional(),
});

/** The options of `host.ephemeral()`. */
export const EphemeralOptionsSchema = CreateOptionsSchema.extend({
  ready: z
    .union([z.boolean(), z.strictObject({ timeout: TimeoutSchema })], "must be true, false or { timeout }")
    .default(false),
});

/** The options of `watch()`, of a host and of an instance. The form of a cursor is that of `engine/journal/cursor.ts`. */
export const WatchOptionsSchema = z.strictObject(
  {
    since: z
      .string('must be the `cursor` of an event, or "oldest"')
      .regex(/^(?:oldest|[1-9]\d{0,15}\.\d{1,15})$/, 'must be the `cursor` of an event, or "oldest"')
      .optional(),
    signal: SignalSchema.optional(),
  },
  objectAs("{ since, signal }"),
);

const LabelFilterSchema = recordOf(z.string(), z.string(), objectAs('{ app: "web" }'));

/** The options of `host.sweep()`. */
export const SweepOptionsSchema = z.strictObject({
  labels: LabelFilterSchema.default({}),
  signal: SignalSchema.optional(),
});

/** The options of `host.get()`. */
export const GetOptionsSchema = z.strictObject({ driver: z.string().optional(), signal: SignalSchema.optional() });

/** The options of `host.list()`. */
export const ListOptionsSchema = z.strictObject({
  labels: LabelFilterSchema.default({}),
  kind: InstanceKindSchema.optional(),
  driver: z.string().optional(),
  state: z
    .enum(["recorded", "live"], 'must be "recorded" or "live": to choose by state, filter what list() returns')
    .default("recorded"),
  signal: SignalSchema.optional(),
});

/** The options of `ready()`. */
export const ReadyOptionsSchema = z.strictObject({
  timeout: TimeoutSchema.default(120_000),
  signal: SignalSchema.optional(),
});

/** The argv and the options of `run()`: those of `exec()` on pipes, and the limits of a run. */
export const RunSchema = ProgramSchema.omit({ tty: true }).extend({
  maxOutput: BoundSchema.default(16 * 2 ** 20),
  input: ContentSchema.optional(),
  encoding: z.enum(["utf8", "buffer"]).default("utf8"),
  check: z.boolean().default(false),
});

/** Checks `DetachOptions`. */
export const DetachOptionsSchema = z.strictObject(
  { signal: SignalSchema.optional(), force: z.boolean().optional() },
  objectAs("{ force: true }"),
);
