import { agentPort } from "@pileus/agent";
import { type MachineSpec, virtioDevice } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** The monitors: each serves one client at a time, so several processes need several. */
export function renderMonitors(spec: MachineSpec): string[] {
  return spec.sockets.monitors.flatMap((descriptor, index) => [
    "-chardev",
    renderOption("socket", { id: `monitor${index}`, fd: descriptor, server: true, wait: false }),
    "-mon",
    renderOption(undefined, { chardev: `monitor${index}`, mode: "control" }),
  ]);
}

/**
 * The serial console: QEMU's standard input and output, which its keeper holds. A guest that prints faster than the keeper
 * reads waits. It goes on over reboots of the guest.
 */
export function renderConsole(): string[] {
  return ["-chardev", renderOption("stdio", { id: "console", signal: false }), "-serial", "chardev:console"];
}

/**
 * How many ports of the agent a machine starts with. Each costs the guest memory, also when nobody uses it. A later
 * release may only raise this: a process takes these for plugged in machines that another release started.
 */
export const FIRST_PORTS = 2;

/** The most ports: virtio-serial has 31 by default, of which QEMU reserves the first for a console (max_ports). */
export const MAX_PORTS = 30;

/** What the guest's driver reserves for each port: a page for each place in a queue of 128 or, on virtio-mmio, 1024. */
const PORT_MEMORY = { q35: 2 ** 19, microvm: 2 ** 22 } as const;

/** How many ports of the agent a machine can get: all together take at most an eighth of its memory. */
export function agentPorts({ type, memory }: Pick<MachineSpec, "type" | "memory">): number {
  return Math.max(FIRST_PORTS, Math.min(MAX_PORTS, Math.floor(memory / 8 / PORT_MEMORY[type])));
}

/** The number of the agent's port with this id in QEMU's events; `undefined` for another device. */
export function agentPortOf(id: string): number | undefined {
  const digits = /^agent-port(\d*)$/.exec(id)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether a socket in QEMU's answers is that of a port of the agent. */
export function isAgentChardev(label: string): boolean {
  return /^agent\d*$/.test(label);
}

/** The port of the agent with this number, as a device. The first has no number in its ids, as in earlier releases. */
export function agentDevice(number: number) {
  const suffix = number === 0 ? "" : `${number}`;
  return {
    driver: "virtserialport",
    bus: "ports.0",
    chardev: `agent${suffix}`,
    id: `agent-port${suffix}`,
    name: agentPort(number),
  } as const;
}

/**
 * The virtio-serial ports of the agent: each serves one client at a time, so several processes need several. The guest
 * finds them by their names. Every socket is there from the start, because QEMU may open none later.
 */
export function renderAgent(spec: MachineSpec): string[] {
  const { agents } = spec.sockets;
  if (agents.length === 0) return [];
  return [
    "-device",
    renderOption(virtioDevice(spec.type, "serial"), { id: "ports" }),
    ...agents.flatMap((descriptor, number) => {
      const { driver, ...device } = agentDevice(number);
      const socket = renderOption("socket", { id: device.chardev, fd: descriptor, server: true, wait: false });
      const port = number < FIRST_PORTS ? ["-device", renderOption(driver, device)] : [];
      return ["-chardev", socket, ...port];
    }),
  ];
}
