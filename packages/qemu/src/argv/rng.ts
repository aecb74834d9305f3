import { type MachineSpec, virtioDevice } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** Entropy from the host: a guest that boots in a second has little of its own. */
export function renderRng(spec: MachineSpec): string[] {
  return [
    "-object",
    renderOption("rng-random", { id: "entropy", filename: "/dev/urandom" }),
    "-device",
    renderOption(virtioDevice(spec.type, "rng"), { rng: "entropy" }),
  ];
}
