import { renderBlock } from "./block.ts";
import { renderBoot } from "./boot.ts";
import { renderSlots } from "./bus.ts";
import { renderCpu } from "./cpu.ts";
import { renderMachine, renderSandbox } from "./machine.ts";
import type { MachineSpec } from "./machine-spec.ts";
import { renderMemory, renderMemoryGrowth } from "./memory.ts";
import { renderNet } from "./net.ts";
import { renderRng } from "./rng.ts";
import { renderAgent, renderConsole, renderMonitors } from "./serial.ts";

/** The program that emulates this architecture. */
export const QEMU = "qemu-system-x86_64";

/** The whole command line of one machine. Pure. */
export function renderArgv(spec: MachineSpec): string[] {
  return [
    QEMU,
    ...renderMachine(spec),
    ...renderSlots(spec),
    ...renderCpu(spec),
    ...renderMemory(spec),
    ...renderBoot(spec),
    ...renderMonitors(spec),
    ...renderConsole(),
    ...renderAgent(spec),
    ...renderBlock(spec),
    ...renderNet(spec),
    ...renderRng(spec),
    ...renderMemoryGrowth(spec),
    ...renderSandbox(),
  ];
}
