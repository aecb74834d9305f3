import type { InstanceConfig } from "@pileus/core";
import { machineTypeOf } from "./machine-type.ts";
import { sectionOf } from "./section.ts";

/** The memory of a machine whose configuration has no limit, in bytes. */
const DEFAULT_MEMORY = 512 * 2 ** 20;

/** Each costs the guest's boot a hundredth of its time under TCG. */
const DEFAULT_SLOTS = 4;

/** The memory that the machine has, in bytes. */
export function memoryOf(config: InstanceConfig): number {
  return config.limits.memory?.limit ?? DEFAULT_MEMORY;
}

/** How many processors the machine has. */
export function cpusOf(config: InstanceConfig): number {
  return config.limits.cpu?.limit ?? 1;
}

/** How many slots the machine has for devices that are plugged while it runs. */
export function slotsOf(config: InstanceConfig): number {
  const section = sectionOf(config);
  return machineTypeOf(section) === "microvm" ? 0 : (section.slots ?? DEFAULT_SLOTS);
}
