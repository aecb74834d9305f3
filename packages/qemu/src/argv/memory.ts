import type { MachineSpec } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

const MIB = 2 ** 20;

/** The id of the device by which a guest gets more memory, and its path. */
export const GROWTH_ID = "growth";
export const GROWTH_PATH = `/machine/peripheral/${GROWTH_ID}`;

/** Whole mebibytes, rounded up. */
export function renderMemory({ memory, memoryGrowth }: MachineSpec): string[] {
  const size = Math.ceil(memory / MIB);
  const maxmem = memoryGrowth === 0 ? undefined : `${size + memoryGrowth / MIB}M`;
  return ["-m", renderOption(undefined, { size: `${size}M`, maxmem })];
}

/**
 * The device that has the memory beyond that, of which the guest has none at first. The host gives only what the guest uses.
 * Its blocks have the smallest size, whatever huge pages the host has.
 */
export function renderMemoryGrowth({ memoryGrowth }: MachineSpec): string[] {
  if (memoryGrowth === 0) return [];
  const memdev = `${GROWTH_ID}-memory`;
  return [
    "-object",
    renderOption("memory-backend-ram", { id: memdev, size: `${memoryGrowth / MIB}M`, reserve: false }),
    "-device",
    renderOption("virtio-mem-pci", { id: GROWTH_ID, memdev, "block-size": "2M", "requested-size": 0 }),
  ];
}
