import { Duplex } from "node:stream";
import type { BackendConsole } from "../../contract/backend-console.ts";
import type { ConsoleWriter, InstanceConsole } from "../../contract/console.ts";
import { ConnectionError, ConsoleBusyError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable } from "../../flow/deadline.ts";
import { TerminalSizeSchema } from "../../model/exec.ts";
import { parse } from "../../model/parse.ts";
import type { TerminalSize } from "../../terms/terminal-size.ts";

type Done = (error?: Error | null) => void;

const TYPE = "type into the console of";

/** The run of a console. */
export interface ConsoleRun {
  /** Aborts when it ends. */
  readonly over: AbortSignal;
  /** The error of what failed with `cause`: it says so if the run has ended. `verb` is as of a `StateError`. Never rejects. */
  failed(verb: string, cause: unknown): Promise<unknown>;
}

/** The stream that a caller of `console()` gets. */
export class OpenConsole extends Duplex implements InstanceConsole {
  readonly #instance: string;
  readonly #console: BackendConsole;
  readonly #run: ConsoleRun;
  #writes = false;

  constructor(instance: string, console: BackendConsole, run: ConsoleRun) {
    super({ allowHalfOpen: true });
    this.#instance = instance;
    this.#console = console;
    this.#run = run;
    const { output } = console;
    output.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) output.pause();
    });
    let failed = false;
    const end = () => !failed && this.push(null);
    output.once("end", end);
    // After a failure too, whose reason comes later.
    output.once("close", end);
    output.on("error", (error) => {
      failed = true;
      void run.failed("read the console of", error).then((reason) => this.destroy(reason as Error));
    });
    // Nothing can be typed any more either.
    this.once("end", () => this.destroy());
    console.onTaken((by) => {
      this.#writes = false;
      this.emit("taken", by);
    });
  }

  /** Becomes the writer. @throws {ConsoleBusyError} */
  async claim(options: Abortable & { readonly take: boolean }): Promise<void> {
    const { granted, ...writer } = await this.#console.claim(options);
    if (!granted) throw this.#busy(writer);
    this.#writes = true;
  }

  async resize(size: TerminalSize, options: Abortable = {}): Promise<void> {
    const checked = parse(TerminalSizeSchema, size, "size of the console");
    options.signal?.throwIfAborted();
    await abortable(
      this.#during("resize the console of", () => this.#console.resize(checked)),
      options.signal,
    );
  }

  /** As of every `Writable`; once the run has ended, `done` gets a `StateError`. */
  override write(chunk: unknown, ...rest: readonly unknown[]): boolean {
    const told = rest.map((each) => (typeof each === "function" ? this.#telling(each as Done) : each));
    if (!this.destroyed || !this.#isOver) return super.write(chunk, ...(told as []));
    const done = rest.find((each) => typeof each === "function") as ((error: Error) => void) | undefined;
    this.#during(TYPE, async () => undefined).then(undefined, done ?? (() => undefined));
    return false;
  }

  /** What has waited behind other writes when the run ends gets the reason, too: Node tells it of the stream alone. */
  #telling(done: Done): Done {
    return (error) => {
      const isDropped = (error as NodeJS.ErrnoException | null | undefined)?.code === "ERR_STREAM_DESTROYED";
      if (isDropped && this.#isOver) void this.#run.failed(TYPE, error).then((reason) => done(reason as Error));
      else done(error);
    };
  }

  #busy(writer: ConsoleWriter): ConsoleBusyError {
    return new ConsoleBusyError({ instance: this.#instance, pid: writer.pid, since: writer.since });
  }

  get #isOver(): boolean {
    return this.#run.over.aborted || this.#console.output.readableEnded;
  }

  /** @throws {StateError} when the run has ended, or ends during the work */
  async #during(verb: string, work: () => Promise<void>): Promise<void> {
    try {
      if (this.#isOver) throw new ConnectionError("the console", "the run has ended");
      await work();
    } catch (error) {
      throw await this.#run.failed(verb, error);
    }
  }

  async #type(bytes: Buffer): Promise<void> {
    if (!this.#writes) await this.claim({ take: false });
    await this.#console.write(bytes);
  }

  override _read(): void {
    this.#console.output.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#during(TYPE, () => this.#type(chunk)).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#writes = false;
    this.#console.release().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#console.output.destroy();
    done(error);
  }
}
