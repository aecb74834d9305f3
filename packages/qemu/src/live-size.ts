import type { AgentClient } from "@pileus/agent";
import { type Abortable, StateError } from "@pileus/core";
import { allOrNothing, type LiveChange } from "@pileus/core/driver";
import { isPaused } from "./ask-qemu.ts";
import { plugCpus, useCpus } from "./cpu-plug.ts";
import { growthTo, requestedMemory, resizeMemory } from "./memory-growth.ts";
import type { QmpClient } from "./qmp/index.ts";
import type { Room } from "./room.ts";
import { cpusOf, memoryOf } from "./size.ts";

/** A machine whose size is to change. */
export interface SizedMachine {
  readonly name: string;
  readonly room: Room;
  readonly qmp: QmpClient;
  agent(options: Abortable): Promise<AgentClient>;
}

/**
 * Gives a machine that runs the memory and the processors of another configuration. All or nothing, but for processors that
 * were plugged: the guest then does not use them.
 *
 * @throws {ConfigError} when the guest does not obey in time. @throws {StateError} when it is frozen.
 */
export async function changeSize(machine: SizedMachine, change: LiveChange, options: Abortable): Promise<void> {
  const { name, room, qmp } = machine;
  const [before, after] = [change.before, change.after].map((config) => ({
    memory: memoryOf(config),
    cpus: cpusOf(config),
  })) as [Size, Size];
  const growth = room.memory;
  const isResized = growth !== undefined && (await requestedMemory(qmp, options)) !== growthTo(after.memory, growth);
  // A change that failed may have left some, and it may be another process that has to clear them.
  const isOfCpus = room.cpus && (before.cpus !== after.cpus || (await plugged(qmp, options)) !== after.cpus);
  if (!isResized && !isOfCpus) return;
  if (await isPaused(name, qmp, options))
    throw new StateError({ instance: name, verb: "update", state: "frozen", expected: ["stopped", "running"] });
  await allOrNothing(async (undo) => {
    if (isResized) {
      await resizeMemory(qmp, growth, after.memory, options);
      undo(() => resizeMemory(qmp, growth, before.memory, {}));
    }
    if (!isOfCpus) return;
    // A guest that answers also sees what is plugged.
    const agent = await machine.agent(options);
    await plugCpus(qmp, after.cpus, options);
    undo(() => useCpus(agent, before.cpus, {}));
    await useCpus(agent, after.cpus, options);
  });
}

async function plugged(qmp: QmpClient, options: Abortable): Promise<number> {
  return (await qmp.execute("query-cpus-fast", {}, options)).length;
}

interface Size {
  readonly memory: number;
  readonly cpus: number;
}
