import { rm, writeFile } from "node:fs/promises";
import { type Abortable, isInstanceError } from "@pileus/core";
import {
  allOrNothing,
  createTap,
  identifyHolder,
  identifyProcess,
  makeFolders,
  type ProcessIdentity,
  removeInterface,
  removeOwnCgroup,
  type Spawn,
  signalProcess,
  spawn,
  waitForEnd,
} from "@pileus/core/driver";
import { renderArgv } from "./argv/argv.ts";
import { HandedOver, handOver } from "./handed-over.ts";
import { KeptMachine } from "./kept.ts";
import { groupsFor } from "./kvm-group.ts";
import { describeMachine, type MachineAssets, readTscKhz } from "./machine.ts";
import { boardFor, explainBoard, keepBoard } from "./machine-type.ts";
import { machineUser } from "./machine-user.ts";
import { connectMonitor } from "./monitor.ts";
import type { QmpClient } from "./qmp/index.ts";
import { prepareRelease, type ReleaseSpec } from "./release.ts";
import type { Room } from "./room.ts";
import { runFiles } from "./run-files.ts";
import { sectionOf } from "./section.ts";
import { failureOf, startQemu } from "./start-qemu.ts";

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
  spec: ReleaseSpec,
  assets: MachineAssets & { readonly room: Room },
  options: Abortable,
): Promise<{ readonly identity: ProcessIdentity; readonly qmp: QmpClient; readonly kept: KeptMachine }> {
  const { instance, cgroup, releaseLock } = spec;
  const { signal } = options;
  const { accelerator } = assets;
  const user = await machineUser(instance);
  const groups = user === undefined ? [] : await groupsFor(accelerator.accelerator);
  return allOrNothing(async (undo) => {
    makeFolders(instance.log, 0o700);
    undo(() => rm(releaseLock, { force: true }));
    prepareRelease(spec);
    for (const nic of instance.nics) {
      undo(() => removeInterface(nic.hostInterface));
      await createTap({ name: nic.hostInterface, bridge: nic.bridge, signal, spawn: spawnForUs });
    }
    const files = runFiles(instance);
    undo(() => removeOwnCgroup(cgroup));
    const [tscKhz, board] = await Promise.all([readTscKhz(), boardFor(instance, sectionOf(instance.config))]);
    signal?.throwIfAborted();
    using handed = new HandedOver();
    const descriptors = handOver(handed, instance, assets);
    const argv = renderArgv(describeMachine(instance, accelerator, descriptors, { tscKhz, board, room: assets.room }));
    await writeFile(files.user, String(user?.uid ?? process.geteuid?.()));
    const asUser = user && { ...user, groups, isAlone: user.uid === instance.idmap?.base };
    const given = { argv, cgroup, user: asUser, descriptors: handed.descriptors };
    const keeper = await startQemu(instance, { ...given, signal });
    undo(() => keeper.detach());
    const identity = await identifyProcess(keeper.state.program);
    if (identity === undefined) throw explainBoard(await failureOf(instance, argv, keeper), board);
    undo(() => endNow(identity));
    const monitor = connectMonitor(files.monitors, { signal, claims: releaseLock, greetingTimeout: START_TIMEOUT });
    const qmp = await monitor.catch(async (error: unknown) => {
      if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
      throw explainBoard(await explain(error, identity, instance, argv, keeper), board);
    });
    undo(() => qmp.close());
    await keepBoard(instance, board, qmp, { signal });
    const holder = await identifyHolder(keeper);
    return { identity, qmp, kept: new KeptMachine({ instance, cgroup, identity, holder }, keeper) };
  });
}

/** Makes no interface after our death, when nobody would remove it. */
const spawnForUs: Spawn = (argv, options) => spawn(argv, { ...options, diesWithUs: true });

/** A QEMU that ends closes its monitors first and prints the reason afterwards. That reason is the better error. */
async function explain(
  error: unknown,
  identity: ProcessIdentity,
  ...[instance, argv, keeper]: Parameters<typeof failureOf>
): Promise<unknown> {
  try {
    await waitForEnd(identity);
  } catch {
    // QEMU lives and does not answer: the error of the connection is all that is known.
    return error;
  }
  return failureOf(instance, argv, keeper);
}

async function endNow(identity: ProcessIdentity): Promise<void> {
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
}
