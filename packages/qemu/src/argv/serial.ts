import { addDescriptor, setOf } from "./descriptor.ts";
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

/** The serial console: a live socket, and a log from the first byte on. */
export function renderConsole(spec: MachineSpec): string[] {
  const { console: descriptor } = spec.sockets;
  const logfile = setOf(spec.consoleLog);
  return [
    ...addDescriptor(spec.consoleLog),
    "-chardev",
    renderOption("socket", { id: "console", fd: descriptor, server: true, wait: false, logfile }),
    "-serial",
    "chardev:console",
  ];
}

/** The id of the agent's port in QEMU's events. */
export const AGENT_PORT_ID = "agent-port";

/** The id of its socket in QEMU's answers. */
export const AGENT_CHARDEV = "agent";

/** The virtio-serial port of the agent. The guest finds it by its name. */
export function renderAgent(spec: MachineSpec): string[] {
  const { agent } = spec.sockets;
  if (agent === undefined) return [];
  return [
    "-device",
    renderOption(virtioDevice(spec.type, "serial"), { id: "ports" }),
    "-chardev",
    renderOption("socket", { id: AGENT_CHARDEV, fd: agent.descriptor, server: true, wait: false }),
    "-device",
    renderOption("virtserialport", { bus: "ports.0", chardev: AGENT_CHARDEV, id: AGENT_PORT_ID, name: agent.port }),
  ];
}
