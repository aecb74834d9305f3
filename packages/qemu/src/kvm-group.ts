import { stat } from "node:fs/promises";
import type { Accelerator } from "./argv/machine-spec.ts";
import { refusal } from "./machine-user.ts";

/**
 * The supplementary groups of a user: the one that may use KVM, if the machine needs it.
 *
 * @throws {HostError} when only root may use KVM.
 */
export async function groupsFor(
  accelerator: Accelerator,
  device = "/dev/kvm",
  statOf: (path: string) => Promise<{ readonly mode: number; readonly gid: number }> = stat,
): Promise<readonly number[]> {
  if (accelerator !== "kvm") return [];
  const { mode, gid } = await statOf(device);
  if ((mode & 0o006) === 0o006) return [];
  if ((mode & 0o060) === 0o060 && gid !== 0) return [gid];
  const reason = "only root may use it, and QEMU does not run as root";
  const fix = `give it to the group kvm (chgrp kvm ${device} && chmod 0660 ${device}), or set qemu: { user: "root" }`;
  throw refusal({ need: `device:${device}`, reason, fix });
}
