import { mkdir, writeFile } from "node:fs/promises";
import { type Abortable, isInstanceError } from "@pileus/core";
import {
  allOrNothing,
  createTap,
  type InstanceContext,
  identifyProcess,
  listenUnix,
  openTap,
  type ProcessIdentity,
  removeInterface,
  removeOwnCgroup,
  signalProcess,
  waitForEnd,
} from "@pileus/core/driver";
import { renderArgv } from "./argv/argv.ts";
import { HandedOver } from "./handed-over.ts";
import { describeMachine, type MachineAssets, type MachineDescriptors, readTscKhz } from "./machine.ts";
import { groupsFor, machineUser } from "./machine-user.ts";
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
 * @throws {CommandError} with what QEMU printed, when it does not start. @throws {HostError} when it cannot run as its
 * user.
 */
export async function launch(
  { instance, cgroup }: Pick<ReleaseSpec, "instance" | "cgroup">,
  assets: MachineAssets,
  options: Abortable,
): Promise<{ readonly identity: ProcessIdentity; readonly qmp: QmpClient }> {
  const { signal } = options;
  const { accelerator } = assets;
  const user = await machineUser(instance);
  const groups = user === undefined ? [] : await groupsFor(accelerator.accelerator);
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
    using handed = new HandedOver();
    const argv = renderArgv(describeMachine(instance, accelerator, handOver(handed, instance, assets), tscKhz));
    await writeFile(files.user, String(user?.uid ?? process.geteuid?.()));
    const { descriptors } = handed;
    const confined = user && { ...user, groups };
    const { pid, failure } = await startQemu(argv, { cgroup, user: confined, log: files.qemuLog, descriptors });
    const identity = await identifyProcess(pid);
    if (identity === undefined) return failure;
    undo(() => endNow(identity));
    await writeFile(files.pid, String(pid));
    const monitor = connectMonitor(files.monitors, { signal, greetingTimeout: START_TIMEOUT });
    const qmp = await monitor.catch((error: unknown) => explain(error, identity, failure));
    return { identity, qmp };
  });
}

/** Opens everything that the machine uses: its QEMU may open nothing of it by itself. */
function handOver(handed: HandedOver, instance: InstanceContext, assets: MachineAssets): MachineDescriptors {
  const files = runFiles(instance);
  const { boot, backing } = assets;
  const listen = (path: string) => handed.add(listenUnix(path));
  return {
    monitors: files.monitors.map(listen),
    console: listen(files.console),
    consoleLog: handed.open(files.consoleLog, "w"),
    disk: handed.open(files.disk, "r+"),
    backing: { descriptor: handed.open(backing.path, "r"), format: backing.format },
    taps: instance.nics.map((nic) => handed.add(openTap(nic.hostInterface))),
    boot: boot && {
      kernel: handed.openToReopen(boot.kernel),
      initramfs: handed.openToReopen(boot.initramfs),
      agent:
        boot.runtimeDrive === undefined
          ? undefined
          : {
              runtimeDrive: handed.open(boot.runtimeDrive, "r"),
              socket: listen(files.agent),
            },
    },
  };
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
