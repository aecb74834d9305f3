import type { MachineSpec } from "./machine-spec.ts";

/** The kernel that is booted directly; without one the firmware looks for a boot sector. */
export function renderBoot(spec: MachineSpec): string[] {
  const { kernel } = spec;
  if (kernel === undefined) return [];
  return ["-kernel", kernel.image, "-initrd", kernel.initramfs, "-append", kernel.commandLine];
}
