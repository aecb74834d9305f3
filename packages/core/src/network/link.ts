import { readFile } from "node:fs/promises";
import { CommandError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { InterfaceNameSchema } from "../model/name.ts";
import { namesIn } from "../system/folder-entries.ts";
import { spawn as run, type Spawn } from "../system/spawn.ts";
import { turnIpv6Off } from "./ipv6.ts";

/** Options of functions that change the host's interfaces. */
export interface LinkOptions extends Abortable {
  /** Runs ip(8). Default: the `spawn` of this package. */
  readonly spawn?: Spawn | undefined;
}

/** The names of all interfaces, without a process. proc_pid_net(5): `dev`. */
export async function interfaceNames(): Promise<ReadonlySet<string>> {
  const [, , ...lines] = (await readFile("/proc/self/net/dev", "utf8")).split("\n");
  return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(":")).trim()).filter((name) => name !== ""));
}

/** The names of the interfaces on a bridge, without a process; none if there is no such bridge. */
export async function bridgePorts(bridge: string): Promise<readonly string[]> {
  return namesIn(`/sys/class/net/${InterfaceNameSchema.parse(bridge)}/brif`);
}

/**
 * Runs commands of ip(8) in one process; the first that fails ends it. Their values have no blanks: the schemas ensure
 * that.
 */
export async function ipBatch(commands: readonly string[], options: LinkOptions = {}): Promise<void> {
  const spawn = options.spawn ?? run;
  await spawn(["ip", "-batch", "-"], { stdin: `${commands.join("\n")}\n`, signal: options.signal });
}

/** Options of {@link createTap}. */
export interface TapOptions extends LinkOptions {
  /** The host's end, as {@link NicAttachment.hostInterface} names it. */
  readonly name: string;
  /** The bridge to put it on, as {@link NicAttachment.bridge} names it. */
  readonly bridge: string;
  /** The number of the user that may open it without root rights. Default: only root. */
  readonly owner?: number | undefined;
}

/**
 * Makes a tap that a virtual machine's nic can open by name, up and on the bridge; the host speaks no IPv6 on it. It
 * stays until {@link removeInterface}, with or without a machine. A tap that a dead machine left under the name is
 * replaced.
 */
export async function createTap(options: TapOptions): Promise<void> {
  const [name, bridge] = [InterfaceNameSchema.parse(options.name), InterfaceNameSchema.parse(options.bridge)];
  const stale = (await interfaceNames()).has(name);
  const owner = options.owner === undefined ? "" : ` user ${options.owner}`;
  try {
    await ipBatch(
      [
        // Checks the kind too: an interface with this name that is not a tap is not ours.
        ...(stale ? [`tuntap del dev ${name} mode tap`] : []),
        `tuntap add dev ${name} mode tap${owner} vnet_hdr`,
        ...joinCommands(name, bridge),
      ],
      options,
    );
    await turnIpv6Off(name);
  } catch (error) {
    if (!stale) await removeInterface(name, { spawn: options.spawn });
    throw error;
  }
}

/** Puts an interface on a bridge and sets it up; the host speaks no IPv6 on it. */
export async function joinBridge(name: string, bridge: string, options: LinkOptions = {}): Promise<void> {
  const [port, master] = [InterfaceNameSchema.parse(name), InterfaceNameSchema.parse(bridge)];
  await turnIpv6Off(port);
  await ipBatch(joinCommands(port, master), options);
}

// Set up last: an interface on a bridge passes its packets to the bridge; one that is up and on no bridge passes them
// to the host.
function joinCommands(port: string, bridge: string): readonly string[] {
  return [`link set dev ${port} addrgenmode none master ${bridge}`, `link set dev ${port} up`];
}

/** Removes an interface of any kind; a veth's other end goes with it. Idempotent. */
export async function removeInterface(name: string, options: LinkOptions = {}): Promise<void> {
  if (!(await interfaceNames()).has(InterfaceNameSchema.parse(name))) return;
  try {
    await ipBatch([`link del dev ${name}`], options);
  } catch (error) {
    // It can disappear by itself at any moment: with its network namespace, or with a process that holds it.
    if (!(error instanceof CommandError) || (await interfaceNames()).has(name)) throw error;
  }
}
