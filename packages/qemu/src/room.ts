import type { InstanceConfig } from "@pileus/core";
import { z } from "zod";
import { readHostMemory } from "./host-memory.ts";
import { machineTypeOf } from "./machine-type.ts";
import { sectionOf } from "./section.ts";
import { cpusOf, memoryOf } from "./size.ts";

const MIB = 2 ** 20;

/** The guest takes memory in blocks of this size: the least that virtio-mem has (virtio 1.2, 5.15.4). */
export const MEMORY_BLOCK = 2 * MIB;

/** How much larger than at its start a machine can grow, unless its configuration says otherwise. */
const GROWTH = { memory: 4, cpus: 4 } as const;

const RoomSchema = z.looseObject({
  /** Bytes: at the start, and the most. */
  memory: z.looseObject({ base: z.number(), max: z.number() }).optional(),
  /** The most processors. */
  cpus: z.looseObject({ max: z.number() }).optional(),
});

/** What a run was made for at its launch, beyond what it had then. The driver keeps it with the run. */
export type Room = z.output<typeof RoomSchema>;

/**
 * The bytes of the device that has what a machine can grow by. Linux uses only whole blocks of it, which a guest with much
 * memory has larger (arch/x86/mm/init_64.c, probe_memory_block_size).
 */
export function growthRegion({ memory }: Room): number {
  if (memory === undefined) return 0;
  const block = memory.base < 2 ** 36 ? 128 * MIB : 2048 * MIB;
  return Math.ceil((memory.max - memory.base) / block) * block;
}

/** What was kept of a launch; `undefined` for a run that an earlier release launched. */
export function roomOf(remembered: unknown): Room | undefined {
  return RoomSchema.safeParse(remembered).data;
}

/**
 * How far a machine can grow that is launched now. Not at all without our kernel and our agent, which take what is
 * added: nothing tells whether another guest would.
 */
export function planRoom(
  config: InstanceConfig,
  { hasAgent, hostMemory = readHostMemory() }: { readonly hasAgent: boolean; readonly hostMemory?: number },
): Room {
  const section = sectionOf(config);
  if (!hasAgent || machineTypeOf(section) === "microvm") return {};
  const base = Math.ceil(memoryOf(config) / MIB) * MIB;
  const most = section.maxMemory ?? Math.min(GROWTH.memory * base, hostMemory);
  const growth = Math.floor((most - base) / MEMORY_BLOCK) * MEMORY_BLOCK;
  const cpus = cpusOf(config);
  const max = Math.max(cpus, section.maxCpus ?? GROWTH.cpus);
  return {
    ...(growth > 0 && { memory: { base, max: base + growth } }),
    ...(max > cpus && { cpus: { max } }),
  };
}
