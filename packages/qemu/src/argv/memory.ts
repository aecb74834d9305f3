import type { MachineSpec } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

const MIB = 2 ** 20;

/** Whole mebibytes, rounded up. */
export function renderMemory(spec: MachineSpec): string[] {
  return ["-m", renderOption(undefined, { size: `${Math.ceil(spec.memory / MIB)}M` })];
}
