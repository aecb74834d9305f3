import type { MachineSpec } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

export function renderCpu(spec: MachineSpec): string[] {
  return ["-cpu", spec.cpuModel, "-smp", renderOption(undefined, { cpus: spec.cpus })];
}
