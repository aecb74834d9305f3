import { z } from "zod";
import type { SignalName } from "./state.ts";

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
  /**
   * The kernel's OOM killer ended the main process: it ended by a `SIGKILL` that no caller asked for, or with the exit code
   * 137 by which an init or a shell says that of the program below it, and meanwhile the kernel counted an OOM kill in the
   * instance. Absent: the driver cannot count them.
   */
  oom: z.boolean().optional(),
  /** When the run started, in milliseconds since the epoch. */
  startedAt: z.number().optional(),
  /** When it ended, in milliseconds since the epoch. Absent: nobody saw it. */
  finishedAt: z.number().optional(),
  /** What the run used, as far as it is known. */
  usage: z
    .strictObject({
      /** Processor time, summed over all processors. */
      cpuSeconds: z.number().optional(),
      /** The most memory that was in use at once, page cache included. */
      memoryPeakBytes: z.number().optional(),
    })
    .optional(),
  /** When the end was recorded, in milliseconds since the epoch. */
  at: z.number(),
});
