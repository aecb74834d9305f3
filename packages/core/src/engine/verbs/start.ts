import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { HostError, StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, linkSignals } from "../../flow/deadline.ts";
import { isDeviceType } from "../../model/device/device.ts";
import { turnIpv6Off } from "../../network/ipv6.ts";
import { currentRun } from "../adopt/current-run.ts";
import { undoLaunch } from "../adopt/undo-launch.ts";
import { instanceContext } from "../instance/context.ts";
import { keepIds } from "../instance/ids.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { makeManifest, writeManifest } from "../record/manifest.ts";
import type { InstanceRecord } from "../record/record.ts";
import { type AnyRunning, Run } from "../run/run.ts";
import { hasExpired } from "./expire.ts";

/** Starts an instance, or joins the start under way. Only the call that began a start can undo it, with its signal. */
export async function start(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  for (;;) {
    const underway = instance.held.starting;
    if (underway === undefined) return begin(instance, signal);
    try {
      return await abortable(underway.done, signal);
    } catch (error) {
      signal?.throwIfAborted();
      // The call that began the start was aborted; this one was not.
      if (underway.signal?.aborted !== true) throw error;
    }
  }
}

async function begin(instance: ManagedInstance, signal: AbortSignal | undefined): Promise<void> {
  const linked = linkSignals(signal, instance.engine.closing);
  const done = startOnceStopped(instance, linked.signal);
  instance.held.starting = { done, signal };
  try {
    await done;
  } finally {
    instance.held.starting = undefined;
    linked[Symbol.dispose]();
  }
}

async function startOnceStopped(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  for (;;) {
    const stopping = await instance.lock.exclusively("start", { signal }, async (record, turn) => {
      const run = await currentRun(instance, record, turn);
      const now = instance.record.read("start");
      if (run === undefined) {
        assertNotExpired(now);
        assertDevicesKnown(now);
        await launch(instance, now, turn);
      } else if (now.state !== "running" && now.state !== "stopping")
        throw new StateError({
          instance: instance.name,
          verb: "start",
          state: now.state,
          expected: ["stopped", "running"],
        });
      return now.state === "stopping";
    });
    if (!stopping) return;
    await instance.stops.untilNoneIsUnderWay(signal);
  }
}

/** @throws {StateError} */
function assertNotExpired(record: InstanceRecord): void {
  if (!hasExpired(record)) return;
  const { state, expiresAt, config } = record;
  throw new StateError({ instance: config.name, verb: "start", state, expected: [], expiresAt });
}

/** @throws {HostError} when it has a device that this release cannot give it: its programs may count on that. */
function assertDevicesKnown({ config }: InstanceRecord): void {
  const unknown = Object.entries(config.devices).filter(([, { type }]) => !isDeviceType(type));
  if (unknown.length === 0) return;
  const missing = unknown.map(([name, { type }]) => ({
    need: `device-type:${type}`,
    reason: `its device "${name}" is of a type that this release does not have`,
    fix: "start it with the release that added the device, or a later one",
  }));
  throw new HostError(`start instance "${config.name}"`, missing);
}

async function launch(instance: ManagedInstance, record: InstanceRecord, { signal, overtaken }: Turn): Promise<void> {
  const { engine, name, key, uuid } = instance;
  const { backend } = instance.driver;
  // If the clock was set back, the instance has more of its lifetime left.
  engine.lifetimes.note(key, record.expiresAt);
  const idmap = await keepIds(engine, backend, record, { signal });
  const patch = {
    state: "starting",
    run: randomUUID(),
    applied: record.generation,
    idmap: idmap && { ...record.idmap, ...idmap },
  } as const;
  // After a crash of the machine nothing runs, so a record that is as before tells the truth, unless it has lost new ids.
  const orderOnly = isDeepStrictEqual(patch.idmap, record.idmap);
  const starting = await instance.record.change(record, patch, { overtaken, orderOnly });
  let running: AnyRunning | undefined;
  try {
    await engine.networks.bringUp({ name, uuid }, { signal });
    const context = await instanceContext(engine, starting, { signal });
    // A few files, which a thread of libuv would take one by one.
    rmSync(context.run, { recursive: true, force: true });
    mkdirSync(context.run, { mode: 0o700 });
    const path = engine.layout.manifest(key);
    const manifest = makeManifest(starting.run ?? uuid, starting, context.nics);
    writeManifest(path, manifest);
    const remember = async (driver: unknown) => writeManifest(path, { ...manifest, driver });
    running = await backend.launch(context, { signal, remember });
    // liblxc makes interfaces with the kernel's defaults.
    for (const { hostInterface } of context.nics) await turnIpv6Off(hostInterface);
    signal.throwIfAborted();
    await instance.record.change(starting, { state: "running", startedAt: Date.now() }, { overtaken, orderOnly: true });
  } catch (error) {
    throw await undoLaunch(instance, starting, running, { cause: error, overtaken });
  }
  instance.held.hold(new Run(starting.run ?? uuid, running));
}
