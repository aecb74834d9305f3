import { z } from "zod";
import type { Frozen, Holds, Same } from "./same.ts";
import type { ExitStatus, InstanceExit, SignalName } from "./state.ts";

/** Reads {@link ExitStatus}. */
export const ExitStatusSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("exited"), code: z.number().int() }),
  // Any name: a kernel may have signals that Node does not know.
  z.strictObject({ kind: z.literal("signaled"), signal: z.custom<SignalName>((name) => typeof name === "string") }),
]);
type _ExitStatus = Holds<Same<ExitStatus, Frozen<z.output<typeof ExitStatusSchema>>>>;

/** Reads {@link InstanceExit}. */
export const InstanceExitSchema = z.strictObject({
  reason: z.enum(["requested", "program", "lost"]),
  status: ExitStatusSchema.optional(),
  oom: z.boolean().optional(),
  startedAt: z.number().optional(),
  finishedAt: z.number().optional(),
  usage: z
    .strictObject({
      cpuSeconds: z.number().optional(),
      memoryPeakBytes: z.number().optional(),
    })
    .optional(),
  at: z.number(),
});
type _InstanceExit = Holds<Same<InstanceExit, Frozen<z.output<typeof InstanceExitSchema>>>>;
