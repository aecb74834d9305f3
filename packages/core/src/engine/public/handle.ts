import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Plan } from "../../contract/backend.ts";
import type { Capability, InstanceMetrics, InterfaceAddress, LogOptions } from "../../contract/capability.ts";
import type { ConfigChange, DetachOptions } from "../../contract/change.ts";
import type { ConsoleOptions, InstanceConsole } from "../../contract/console.ts";
import type {
  AttachedProcess,
  AttachOptions,
  CanDetached,
  DetachedExecOptions,
  DetachedInfo,
  DetachedProcess,
} from "../../contract/detached.ts";
import type { Emitter, InstanceEvent, InstanceEvents, WatchOptions } from "../../contract/events.ts";
import type { InstanceFiles } from "../../contract/files.ts";
import type { Instance, InstanceInfo, StopOptions } from "../../contract/instance.ts";
import type { CanExec, PipeExecOptions, PipeProcess } from "../../contract/process.ts";
import type { Abortable, Timed } from "../../flow/abortable.ts";
import { AbortableSchema, abortableSchema } from "../../model/call-options.ts";
import type { DeviceInput } from "../../model/device/device.ts";
import { DetachOptionsSchema } from "../../model/verb-options.ts";
import type { InstanceExit, InstanceState } from "../../terms/state.ts";
import { followRun } from "../adopt/follow-run.ts";
import { withRun } from "../adopt/with-run.ts";
import type { EventTap } from "../events/events.ts";
import { hasCapability } from "../instance/capability.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { implemented } from "../run/implemented.ts";
import { openConsole } from "../verbs/console.ts";
import { remove } from "../verbs/delete.ts";
import { attach, processes, startDetached } from "../verbs/detached.ts";
import { attachDevice, detachDevice } from "../verbs/devices.ts";
import { exec } from "../verbs/exec.ts";
import { ManagedFiles } from "../verbs/files.ts";
import { freeze, unfreeze } from "../verbs/freeze.ts";
import { inspect } from "../verbs/inspect.ts";
import { logs } from "../verbs/logs.ts";
import { ready } from "../verbs/ready.ts";
import { reboot } from "../verbs/reboot.ts";
import { rename } from "../verbs/rename.ts";
import { runProgram } from "../verbs/run-program.ts";
import { start } from "../verbs/start.ts";
import { stop } from "../verbs/stop.ts";
import { plan, update } from "../verbs/update.ts";
import { wait } from "../verbs/wait.ts";
import { filesWhileOpen, nameOf, streamWhileOpen, verbWhileOpen, whileOpen } from "./while-open.ts";

// For callers that pass the arguments separately, a mode alone, or milliseconds.
const ExecOptionsSchema = abortableSchema('the program and its arguments as one list, ["ls", "-la"]');
const StopOptionsSchema = abortableSchema('{ mode: "kill" } or { timeout: 10_000 }');
// For callers of the first releases, which took the stream alone.
const LogsSchema = abortableSchema('{ stream: "stdout" } or { follow: true }');
const AttachOptionsSchema = abortableSchema("{ offset: 1000 } or { follow: false }");
const ConsoleSchema = abortableSchema("{ size: { columns: 80, rows: 24 } }");
const ReadyOptionsSchema = abortableSchema("{ timeout: 5000 }");

/**
 * The object that callers hold: each method calls the file that implements it. It has the methods of all capabilities;
 * the types show only those of the driver, and the others throw {@link UnsupportedError}.
 */
export class InstanceHandle implements Instance<Capability> {
  readonly files: InstanceFiles;
  readonly exec: CanExec["exec"] & CanDetached["exec"];
  readonly run: CanExec["run"];
  readonly #instance: ManagedInstance;
  // Created for the first listener: a handle without listeners costs nothing and can be garbage-collected.
  #tap: EventTap | undefined;
  #disposed = false;
  readonly #onDispose: (() => Promise<void>) | undefined;
  #ended: Promise<void> | undefined;

  /** `onDispose` runs when the handle is disposed while the host is open. */
  constructor(instance: ManagedInstance, onDispose?: () => Promise<void>) {
    this.#instance = instance;
    this.#onDispose = onDispose;
    this.files = filesWhileOpen(instance.engine, new ManagedFiles(instance));
    // The type of the result depends on the options. The overloads express that; an implementation cannot.
    this.exec = ((argv: readonly string[], options?: PipeExecOptions | DetachedExecOptions) => {
      const call = (linked: PipeExecOptions | DetachedExecOptions): Promise<PipeProcess | DetachedProcess> =>
        linked.detached === undefined
          ? (exec(instance, argv, linked, options?.signal) as Promise<PipeProcess>)
          : startDetached(instance, argv, linked);
      return this.#verb("exec in", options, call, ExecOptionsSchema);
    }) as CanExec["exec"] & CanDetached["exec"];
    // Likewise, for the encoding.
    this.run = ((argv, options) =>
      whileOpen(
        instance.engine,
        options,
        (linked) => runProgram(instance, argv, linked),
        ExecOptionsSchema,
      )) as CanExec["run"];
  }

  get name(): string {
    return this.#instance.name;
  }

  #verb<O extends Abortable, T>(
    verb: string,
    options: O | undefined,
    call: (linked: O) => Promise<T>,
    schema: z.ZodType = AbortableSchema,
  ): Promise<T> {
    return verbWhileOpen(this.#instance.engine, `${verb} instance "${this.name}"`, options, call, schema);
  }

  get events(): Emitter<InstanceEvents> {
    this.#assertOpen();
    return this.#openTap().emitter;
  }

  watch(options?: WatchOptions): AsyncIterable<InstanceEvent> {
    this.#assertOpen();
    return this.#openTap().watch(options);
  }

  /** @throws {ConnectionError} once the host is disposed */
  #assertOpen(): void {
    this.#instance.engine.closing.throwIfAborted();
  }

  #openTap(): EventTap {
    this.#tap ??= this.#instance.engine.events.tap(this.#instance.uuid);
    this.#instance.record.noticeDeletion();
    if (this.#disposed || this.#instance.record.isGone) this.#tap.close();
    else followRun(this.#instance);
    return this.#tap;
  }

  can<K extends Capability>(capability: K): this is Instance<Capability | K> {
    this.#assertOpen();
    const { run } = this.#instance.held;
    if (this.#instance.record.unreachable !== undefined || !hasCapability(this.#instance, capability)) return false;
    return run === undefined || run.lacks(capability) === undefined;
  }

  async state(options?: Abortable): Promise<InstanceState> {
    return (await this.inspect(options)).state;
  }

  inspect(options?: Abortable): Promise<InstanceInfo> {
    return this.#verb("inspect", options, (linked) => inspect(this.#instance, linked));
  }

  start(options?: Abortable): Promise<void> {
    return this.#verb("start", options, (linked) => start(this.#instance, linked));
  }

  ready(options?: Abortable & Timed): Promise<void> {
    return this.#verb("wait for", options, (linked) => ready(this.#instance, linked), ReadyOptionsSchema);
  }

  stop(options?: StopOptions): Promise<void> {
    return this.#verb("stop", options, (linked) => stop(this.#instance, linked), StopOptionsSchema);
  }

  restart(options?: StopOptions): Promise<void> {
    const stopAndStart = async (linked: StopOptions) => {
      await stop(this.#instance, linked);
      await start(this.#instance, { signal: linked.signal });
    };
    return this.#verb("restart", options, stopAndStart, StopOptionsSchema);
  }

  wait(options?: Abortable): Promise<InstanceExit> {
    return this.#verb("wait for", options, (linked) => wait(this.#instance, linked));
  }

  rename(name: string, options?: Abortable): Promise<void> {
    return this.#verb("rename", options, (linked) => rename(this.#instance, nameOf("instance", name), linked));
  }

  plan(change: ConfigChange, options?: Abortable): Promise<Plan> {
    return this.#verb("plan a change of", options, (linked) => plan(this.#instance, change, linked));
  }

  update(change: ConfigChange, options?: Abortable): Promise<Plan> {
    return this.#verb("update", options, (linked) => update(this.#instance, change, linked));
  }

  attachDevice(name: string, device: DeviceInput, options?: Abortable): Promise<void> {
    return this.#verb("attach a device to", options, (linked) =>
      attachDevice(this.#instance, nameOf("device", name), device, linked),
    );
  }

  detachDevice(name: string, options?: DetachOptions): Promise<void> {
    const call = (linked: DetachOptions) => detachDevice(this.#instance, nameOf("device", name), linked);
    return this.#verb("detach a device from", options, call, DetachOptionsSchema);
  }

  delete(options?: Abortable): Promise<void> {
    return this.#verb("delete", options, (linked) => remove(this.#instance, linked));
  }

  freeze(options?: Abortable): Promise<void> {
    return this.#verb("freeze", options, (linked) => freeze(this.#instance, linked));
  }

  unfreeze(options?: Abortable): Promise<void> {
    return this.#verb("unfreeze", options, (linked) => unfreeze(this.#instance, linked));
  }

  reboot(options?: Abortable & Timed): Promise<void> {
    return this.#verb("reboot", options, (linked) => reboot(this.#instance, linked), ReadyOptionsSchema);
  }

  addresses(options?: Abortable): Promise<readonly InterfaceAddress[]> {
    return this.#verb("read the addresses of", options, (linked) => {
      const use = { ...linked, capability: "network" } as const;
      return withRun(this.#instance, "read the addresses of", use, async ({ run: { running } }) =>
        implemented(running.addresses, "network").call(running, linked),
      );
    });
  }

  metrics(options?: Abortable): Promise<InstanceMetrics> {
    return this.#verb("measure", options, (linked) => {
      const use = { ...linked, capability: "metrics", expected: ["running", "frozen"] } as const;
      return withRun(this.#instance, "measure", use, async ({ run: { running } }) =>
        implemented(running.metrics, "metrics").call(running, linked),
      );
    });
  }

  processes(options?: Abortable): Promise<readonly DetachedInfo[]> {
    return this.#verb("list the programs of", options, (linked) => processes(this.#instance, linked));
  }

  attach(id: string, options?: AttachOptions): Promise<AttachedProcess> {
    const call = (linked: AttachOptions) => attach(this.#instance, id, linked, options?.signal);
    return this.#verb("attach to a program of", options, call, AttachOptionsSchema);
  }

  logs(options?: LogOptions): Promise<Readable> {
    const { engine } = this.#instance;
    return streamWhileOpen(engine, options, (linked) => logs(this.#instance, linked), LogsSchema);
  }

  console(options?: ConsoleOptions): Promise<InstanceConsole> {
    const { engine } = this.#instance;
    return streamWhileOpen(engine, options, (linked) => openConsole(this.#instance, linked), ConsoleSchema);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#tap?.close();
    const { engine } = this.#instance;
    this.#ended ??= this.#onDispose && whileOpen(engine, undefined, this.#onDispose);
    await this.#ended;
  }
}
