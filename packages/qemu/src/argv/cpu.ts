import type { MachineSpec } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/**
 * Both machine types say 288 (`query-machines`, QEMU 7.2), and QEMU refuses more than 255 where KVM has no x2APIC; with
 * it, a guest also needs an IOMMU, which our machines do not have (libvirt, formatdomain, "eim", also draws the line at
 * 255).
 */
export const MAX_CPUS = 255;

export function renderCpu({ cpuModel, cpus, maxCpus }: MachineSpec): string[] {
  const maxcpus = maxCpus > cpus ? maxCpus : undefined;
  return ["-cpu", cpuModel, "-smp", renderOption(undefined, { cpus, maxcpus })];
}
