import { readlink } from "node:fs/promises";
import { z } from "zod";
import { identifyProcess, isAlive, ProcessIdentitySchema } from "../system/process-identity.ts";

/** The process that created an ephemeral instance, as recorded. When it dies, `sweep()` may delete the instance. */
export const OwnerSchema = z.looseObject({
  ...ProcessIdentitySchema.shape,
  /** The pid namespace of its pid: pid_namespaces(7), the target of /proc/self/ns/pid. */
  pidNamespace: z.string(),
});
export type Owner = z.output<typeof OwnerSchema>;

/** This process, as an owner. */
export async function thisProcess(): Promise<Owner> {
  const [identity, pidNamespace] = await Promise.all([identifyProcess(process.pid), readlink("/proc/self/ns/pid")]);
  if (identity === undefined) throw new TypeError("/proc/self is not this process");
  return { ...identity, pidNamespace };
}

/**
 * Whether the owner is certainly dead. A process in another pid namespace of the same boot cannot be seen from here and
 * counts as alive.
 */
export async function isGone(owner: Owner): Promise<boolean> {
  const here = await thisProcess();
  if (owner.boot !== here.boot) return true;
  return owner.pidNamespace === here.pidNamespace && !(await isAlive(owner));
}
