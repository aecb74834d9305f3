import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Abortable, Timed } from "../contract/abortable.ts";
import type { Capability, InstanceMetrics, InterfaceAddress, LogStream } from "../contract/capability.ts";
import type { Emitter, InstanceEvent, InstanceEvents } from "../contract/events.ts";
import type { InstanceFiles } from "../contract/files.ts";
import type { Instance, InstanceInfo, StopOptions } from "../contract/instance.ts";
import type { CanExec } from "../contract/process.ts";
import type { InstanceExit, InstanceState } from "../contract/state.ts";
import { AbortableSchema, abortableSchema } from "../model/call-options.ts";
import type { EventTap } from "./events.ts";
import { implemented } from "./implemented.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import { remove } from "./verbs/delete.ts";
import { exec } from "./verbs/exec.ts";
import { ManagedFiles } from "./verbs/files.ts";
import { freeze, unfreeze } from "./verbs/freeze.ts";
import { inspect } from "./verbs/inspect.ts";
import { logs } from "./verbs/logs.ts";
import { ready } from "./verbs/ready.ts";
import { reboot } from "./verbs/reboot.ts";
import { runProgram } from "./verbs/run-program.ts";
import { start } from "./verbs/start.ts";
import { stop } from "./verbs/stop.ts";
import { wait } from "./verbs/wait.ts";
import { filesWhileOpen, streamWhileOpen, verbWhileOpen, whileOpen } from "./while-open.ts";
import { withRun } from "./with-run.ts";

// For callers that pass the arguments separately, a mode alone, or milliseconds.
const ExecOptionsSchema = abortableSchema('the program and its arguments as one list, ["ls", "-la"]');
const StopOptionsSchema = abortableSchema('{ mode: "kill" } or { timeout: 10_000 }');
const ReadyOptionsSchema = abortableSchema("{ timeout: 5000 }");

/**
 * The object that callers hold: each method calls the file that implements it. It has the methods of all capabilities;
 * the types show only those of the driver, and the others throw {@link UnsupportedError}.
 */
export class InstanceHandle implements Instance<Capability> {
  readonly name: string;
  readonly files: InstanceFiles;
  readonly exec: CanExec["exec"];
  readonly run: CanExec["run"];
  readonly #instance: ManagedInstance;
  // Created for the first listener: a handle without listeners costs nothing and can be garbage-collected.
  #tap: EventTap | undefined;
  #disposed = false;
  readonly #onDispose: (() => Promise<void>) | undefined;
  #ended: Promise<void> | undefined;

  /** `onDispose` runs when the handle is disposed while the host is open. */
  constructor(instance: ManagedInstance, onDispose?: () => Promise<void>) {
    this.name = instance.name;
    this.#instance = instance;
    this.#onDispose = onDispose;
    this.files = filesWhileOpen(instance.engine, new ManagedFiles(instance));
    // The type of the result depends on the options. The overloads express that; an implementation cannot.
    this.exec = ((argv, options) => {
      const call = (linked: Abortable) => exec(instance, argv, linked, options?.signal);
      return this.#verb("exec in", options, call, ExecOptionsSchema);
    }) as CanExec["exec"];
    // Likewise, for the encoding.
    this.run = ((argv, options) =>
      whileOpen(
        instance.engine,
        options,
        (linked) => runProgram(instance, argv, linked),
        ExecOptionsSchema,
      )) as CanExec["run"];
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

  watch(options?: Abortable): AsyncIterable<InstanceEvent> {
    this.#assertOpen();
    return this.#openTap().watch(options);
  }

  /** @throws {ConnectionError} once the host is disposed */
  #assertOpen(): void {
    this.#instance.engine.closing.throwIfAborted();
  }

  #openTap(): EventTap {
    this.#tap ??= this.#instance.engine.events.tap(this.name);
    this.#instance.noticeDeletion();
    if (this.#disposed || this.#instance.isGone) this.#tap.close();
    return this.#tap;
  }

  can<K extends Capability>(capability: K): this is Instance<Capability | K> {
    this.#assertOpen();
    const { run } = this.#instance;
    return this.#instance.hasCapability(capability) && (run === undefined || run.lacks(capability) === undefined);
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

  logs(stream: LogStream, options?: Abortable): Promise<Readable> {
    const call = (linked: Abortable) => logs(this.#instance, stream, linked);
    return streamWhileOpen(this.#instance.engine, options, call, AbortableSchema);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#tap?.close();
    const { engine } = this.#instance;
    this.#ended ??= this.#onDispose && whileOpen(engine, undefined, this.#onDispose);
    await this.#ended;
  }
}
