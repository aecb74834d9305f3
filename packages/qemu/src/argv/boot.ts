import type { MachineSpec } from "./machine-spec.ts";

/** The kernel that is booted directly; without one the firmware looks for a boot sector. */
export function renderBoot(spec: MachineSpec): string[] {
  const { kernel } = spec;
  if (kernel === undefined) return [];
  const file = (descriptor: number) => `/proc/self/fd/${descriptor}`;
  return ["-kernel", file(kernel.image), "-initrd", file(kernel.initramfs), "-append", kernel.commandLine];
}
