import { closeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { type Abortable, isInstanceError } from "@pileus/core";
import {
  allOrNothing,
  createTap,
  identifyProcess,
  listenUnix,
  type ProcessIdentity,
  removeInterface,
  removeOwnCgroup,
  signalProcess,
  waitForEnd,
} from "@pileus/core/driver";
import { renderArgv } from "./argv/argv.ts";
import { describeMachine, type MachineAssets, readTscKhz } from "./machine.ts";
import { connectMonitor } from "./monitor.ts";
import { startQemu } from "./qemu-process.ts";
import type { QmpClient } from "./qmp/index.ts";
import type { ReleaseSpec } from "./release.ts";
import { runFiles } from "./run-files.ts";

/** How long QEMU may take to greet, in milliseconds. It takes 0.1 s, or many times that on a busy host. */
const START_TIMEOUT = 30_000;

/**
 * Starts the QEMU of an instance. Returns when it runs and its monitor answers. A failure or an abort leaves no process
 * and no interface.
 *
 * @throws {CommandError} with what QEMU printed, when it does not start.
 */
export async function launch(
  { instance, cgroup }: Pick<ReleaseSpec, "instance" | "cgroup">,
  assets: MachineAssets,
  options: Abortable,
): Promise<{ readonly identity: ProcessIdentity; readonly qmp: QmpClient }> {
  const { signal } = options;
  return allOrNothing(async (undo) => {
    await mkdir(instance.log, { recursive: true, mode: 0o700 });
    for (const nic of instance.nics) {
      undo(() => removeInterface(nic.hostInterface));
      await createTap({ name: nic.hostInterface, bridge: nic.bridge, signal });
    }
    const files = runFiles(instance);
    undo(() => removeOwnCgroup(cgroup));
    const tscKhz = await readTscKhz();
    signal?.throwIfAborted();
    const { pid, failure } = await withSockets([...files.monitors, files.console, files.agent], (descriptors) => {
      const count = files.monitors.length;
      // QEMU inherits the descriptors as 3, 4 and so on.
      const [console, agent] = [3 + count, 4 + count];
      const monitors = files.monitors.map((_, index) => 3 + index);
      const argv = renderArgv(describeMachine(instance, assets, { monitors, console, agent }, tscKhz));
      return startQemu(argv, { cgroup, cwd: instance.run, log: files.qemuLog, descriptors });
    });
    const identity = await identifyProcess(pid);
    if (identity === undefined) return failure;
    undo(() => endNow(identity));
    const monitor = connectMonitor(files.monitors, { signal, greetingTimeout: START_TIMEOUT });
    const qmp = await monitor.catch((error: unknown) => explain(error, identity, failure));
    return { identity, qmp };
  });
}

/**
 * Makes listening sockets, lends their descriptors to `use`, then closes them here: the process that inherited them has
 * its own.
 */
async function withSockets<T>(
  paths: readonly string[],
  use: (descriptors: readonly number[]) => Promise<T>,
): Promise<T> {
  const descriptors: number[] = [];
  try {
    for (const path of paths) descriptors.push(listenUnix(path));
    return await use(descriptors);
  } finally {
    descriptors.forEach(closeSync);
  }
}

/** A QEMU that ends closes its monitors first and prints the reason afterwards. That reason is the better error. */
async function explain(error: unknown, identity: ProcessIdentity, failure: Promise<never>): Promise<never> {
  if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  try {
    await waitForEnd(identity);
  } catch {
    // QEMU lives and does not answer: the error of the connection is all that is known.
    throw error;
  }
  return failure;
}

async function endNow(identity: ProcessIdentity): Promise<void> {
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
}
