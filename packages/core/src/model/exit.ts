import { z } from "zod";
import type { SignalName } from "../contract/state.ts";

/** How a program ended: see {@link ExitStatus}. */
export const ExitStatusSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("exited"), code: z.number().int() }),
  // Any name: a kernel may have signals that Node does not know.
  z.strictObject({ kind: z.literal("signaled"), signal: z.custom<SignalName>((name) => typeof name === "string") }),
]);

/** How an instance stopped: see {@link InstanceExit}. */
export const InstanceExitSchema = z.strictObject({
  /**
   * `requested`: a caller stopped it; `program`: the main process or guest ended by itself; `lost`: it ended while no
   * process watched, and how is unknown.
   */
  reason: z.enum(["requested", "program", "lost"]),
  status: ExitStatusSchema.optional(),
  /** Milliseconds since the epoch. */
  at: z.number(),
});
