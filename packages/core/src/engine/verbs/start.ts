import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import type { Abortable } from "../../contract/abortable.ts";
import { StateError } from "../../contract/errors.ts";
import { abortable, linkSignals } from "../../driver/deadline.ts";
import { instanceContext } from "../context.ts";
import { keepIds } from "../ids.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import type { InstanceRecord } from "../record.ts";
import { type AnyRunning, Run } from "../run.ts";
import { untilNoStopIsUnderWay } from "../stop-mark.ts";
import { undoLaunch } from "../undo-launch.ts";
import { hasExpired } from "./expire.ts";

/** Starts an instance, or joins the start under way. Only the call that began a start can undo it, with its signal. */
export async function start(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  for (;;) {
    const underway = instance.starting;
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
  instance.starting = { done, signal };
  try {
    await done;
  } finally {
    instance.starting = undefined;
    linked[Symbol.dispose]();
  }
}

async function startOnceStopped(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  for (;;) {
    const stopping = await instance.exclusively("start", { signal }, async (record) => {
      const run = await instance.currentRun(record, signal);
      const now = instance.read("start");
      if (run === undefined) {
        assertNotExpired(now);
        await launch(instance, now, signal);
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
    await untilNoStopIsUnderWay(instance, signal);
  }
}

/** @throws {StateError} */
function assertNotExpired(record: InstanceRecord): void {
  if (!hasExpired(record)) return;
  const { state, expiresAt, config } = record;
  throw new StateError({ instance: config.name, verb: "start", state, expected: [], expiresAt });
}

async function launch(instance: ManagedInstance, record: InstanceRecord, signal: AbortSignal): Promise<void> {
  const { engine, name, uuid } = instance;
  const { backend } = instance.driver;
  // If the clock was set back, the instance has more of its lifetime left.
  engine.lifetimes.note(name, record.expiresAt);
  const idmap = await keepIds(engine, backend, record, { signal });
  const starting = await instance.change(record, { state: "starting", run: randomUUID(), idmap });
  let running: AnyRunning | undefined;
  try {
    await engine.networks.bringUp({ name, uuid }, { signal });
    const context = await instanceContext(engine, starting, { signal });
    await rm(context.run, { recursive: true, force: true });
    await mkdir(context.run, { mode: 0o700 });
    running = await backend.launch(context, { signal });
    signal.throwIfAborted();
    await instance.change(starting, { state: "running", startedAt: Date.now() });
  } catch (error) {
    throw await undoLaunch(instance, starting, running, error);
  }
  instance.hold(new Run(starting.run ?? uuid, running));
}
