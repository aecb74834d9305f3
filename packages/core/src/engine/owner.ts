import { readlink } from "node:fs/promises";
import { z } from "zod";
import { identifyProcess, isAlive, ProcessIdentitySchema } from "../system/process-identity.ts";

/** The process whose end makes an ephemeral instance a leftover, as it stands on record. */
export const OwnerSchema = z.looseObject({
  ...ProcessIdentitySchema.shape,
  /** In which its pid counts: pid_namespaces(7), as readlink(2) of /proc/self/ns/pid tells it. */
  pidNamespace: z.string(),
});
export type Owner = z.output<typeof OwnerSchema>;

/** This process, as an owner. */
export async function thisProcess(): Promise<Owner> {
  const [identity, pidNamespace] = await Promise.all([identifyProcess(process.pid), readlink("/proc/self/ns/pid")]);
  if (identity === undefined) throw new TypeError("/proc is of another process");
  return { ...identity, pidNamespace };
}

/**
 * Whether the owner is dead for certain. One in another pid namespace of the same boot cannot be looked at from here, and
 * counts as alive.
 */
export async function isGone(owner: Owner): Promise<boolean> {
  const here = await thisProcess();
  if (owner.boot !== here.boot) return true;
  return owner.pidNamespace === here.pidNamespace && !(await isAlive(owner));
}
