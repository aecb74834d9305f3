import { readlink } from "node:fs/promises";
import { z } from "zod";
import { hasEnded, identifyProcess, ProcessIdentitySchema } from "../../system/process-identity.ts";

/** The process that created an ephemeral instance, as recorded. When it dies, `sweep()` may delete the instance. */
export const OwnerProcessSchema = z.looseObject({
  ...ProcessIdentitySchema.shape,
  /** The pid namespace of its pid: pid_namespaces(7), the target of /proc/self/ns/pid. */
  pidNamespace: z.string(),
});
export type OwnerProcess = z.output<typeof OwnerProcessSchema>;

/** This process, as an owner. */
export async function thisProcess(): Promise<OwnerProcess> {
  const [identity, pidNamespace] = await Promise.all([identifyProcess(process.pid), readlink("/proc/self/ns/pid")]);
  if (identity === undefined) throw new TypeError("/proc/self is not this process");
  return { ...identity, pidNamespace };
}

/**
 * Whether the owner is certainly dead. A process that cannot be seen from here counts as alive: one in another pid
 * namespace of the same boot, or one that /proc hides from this user.
 */
export async function isGone(owner: OwnerProcess): Promise<boolean> {
  const here = await thisProcess();
  if (owner.boot !== here.boot) return true;
  return owner.pidNamespace === here.pidNamespace && (await hasEnded(owner));
}
