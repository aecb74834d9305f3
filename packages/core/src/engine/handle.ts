import type { Readable } from "node:stream";
import type { Abortable, Timed } from "../contract/abortable.ts";
import type { Capability, InstanceMetrics, InterfaceAddress, LogStream } from "../contract/capability.ts";
import type { Emitter, InstanceEvent, InstanceEvents } from "../contract/events.ts";
import type { InstanceFiles } from "../contract/files.ts";
import type { Instance, InstanceInfo, StopOptions } from "../contract/instance.ts";
import type { CanExec, RunOptions, RunResult } from "../contract/process.ts";
import type { InstanceExit, InstanceState } from "../contract/state.ts";
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
import { runProgram } from "./verbs/run-program.ts";
import { start } from "./verbs/start.ts";
import { stop } from "./verbs/stop.ts";
import { wait } from "./verbs/wait.ts";

/**
 * What a caller holds: every verb of the contract, each a call of the file that does it. It has the verbs of all
 * capabilities; the types show those of the driver, and the others throw {@link UnsupportedError}.
 */
export class InstanceHandle implements Instance<Capability> {
  readonly name: string;
  readonly files: InstanceFiles;
  readonly exec: CanExec["exec"];
  readonly #instance: ManagedInstance;
  // Made when somebody listens: a handle that nobody listens to costs nothing and can be forgotten.
  #tap: EventTap | undefined;
  #disposed = false;
  readonly #onDispose: (() => Promise<void>) | undefined;

  /** `onDispose`: what disposing does beside detaching. */
  constructor(instance: ManagedInstance, onDispose?: () => Promise<void>) {
    this.name = instance.name;
    this.#instance = instance;
    this.#onDispose = onDispose;
    this.files = new ManagedFiles(instance);
    // Which of the two results it is hangs on the options: the overloads say so, an implementation cannot.
    this.exec = ((argv, options) => exec(instance, argv, options)) as CanExec["exec"];
  }

  get events(): Emitter<InstanceEvents> {
    return this.#openTap().emitter;
  }

  watch(options?: Abortable): AsyncIterable<InstanceEvent> {
    return this.#openTap().watch(options);
  }

  #openTap(): EventTap {
    this.#tap ??= this.#instance.engine.events.tap(this.name);
    if (this.#disposed) this.#tap.close();
    return this.#tap;
  }

  can<K extends Capability>(capability: K): this is Instance<Capability | K> {
    const { run } = this.#instance;
    return this.#instance.hasCapability(capability) && (run === undefined || run.lacks(capability) === undefined);
  }

  async state(options?: Abortable): Promise<InstanceState> {
    return (await inspect(this.#instance, options)).state;
  }

  inspect(options?: Abortable): Promise<InstanceInfo> {
    return inspect(this.#instance, options);
  }

  start(options?: Abortable): Promise<void> {
    return start(this.#instance, options);
  }

  ready(options?: Abortable & Timed): Promise<void> {
    return ready(this.#instance, options);
  }

  stop(options?: StopOptions): Promise<void> {
    return stop(this.#instance, options);
  }

  async restart(options: StopOptions = {}): Promise<void> {
    await stop(this.#instance, options);
    await start(this.#instance, { signal: options.signal });
  }

  wait(options?: Abortable): Promise<InstanceExit> {
    return wait(this.#instance, options);
  }

  delete(options?: Abortable): Promise<void> {
    return remove(this.#instance, options);
  }

  run(argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return runProgram(this.#instance, argv, options);
  }

  freeze(options?: Abortable): Promise<void> {
    return freeze(this.#instance, options);
  }

  unfreeze(options?: Abortable): Promise<void> {
    return unfreeze(this.#instance, options);
  }

  async addresses(options: Abortable = {}): Promise<readonly InterfaceAddress[]> {
    const {
      run: { running },
    } = await this.#instance.use("read the addresses of", { ...options, capability: "network" });
    return implemented(running.addresses, "network").call(running, options);
  }

  async metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    const {
      run: { running },
    } = await this.#instance.use("measure", {
      ...options,
      capability: "metrics",
      expected: ["running", "frozen"],
    });
    return implemented(running.metrics, "metrics").call(running, options);
  }

  logs(stream: LogStream, options?: Abortable): Promise<Readable> {
    return logs(this.#instance, stream, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#tap?.close();
    await this.#onDispose?.();
  }
}
