import { Writable } from "node:stream";
import { LogWriter } from "../../keeper/log/write.ts";
import type { LogBounds } from "../../model/log-bounds.ts";
import type { InstanceKind } from "../../terms/instance-kind.ts";
import { FakeConsole } from "./console.ts";
import { nothing, Sink, Source, type Stdio } from "./stdio.ts";

/** What a fake instance itself prints, from its start on: in the log of an instance, as a keeper writes it. */
export class FakeOutput {
  readonly #log: LogWriter;
  readonly #kind: InstanceKind;
  /** The console. The programs of an application container do not use it. */
  readonly console: FakeConsole;

  constructor(folder: string, kind: InstanceKind, { maxSize, maxFiles }: LogBounds = {}) {
    this.#log = new LogWriter(folder, { size: maxSize, files: maxFiles });
    this.#kind = kind;
    this.#log.notice("start");
    this.console = new FakeConsole((data) => this.print(1, data));
  }

  /** Prints to the standard output (1) or error (2) of the main program, or to the console that stands for both. */
  print(descriptor: 1 | 2, data: string | Uint8Array): void {
    if (this.#kind !== "application-container") {
      this.#log.print("console", data);
      this.console.show(Buffer.from(data as Uint8Array));
    } else this.#log.print(descriptor === 1 ? "stdout" : "stderr", data);
  }

  /** The streams of the main program. */
  get stdio(): Stdio {
    const stdin = this.#kind === "application-container" ? nothing() : new Source(this.console.input);
    return { stdin, stdout: this.#sink(1), stderr: this.#sink(2) };
  }

  /** The file of this path, if it is one that prints: `/dev/console`, `/proc/1/fd/1`, `/proc/1/fd/2`. */
  file(path: string): Sink | undefined {
    if (path === "/proc/1/fd/1") return this.#sink(1);
    if (path === "/proc/1/fd/2") return this.#sink(2);
    return path === "/dev/console" && this.#kind !== "application-container" ? this.#sink(1) : undefined;
  }

  /** The run has ended. */
  end(): void {
    this.#log.notice("end");
    this.console.end();
  }

  #sink(descriptor: 1 | 2): Sink {
    return new Sink(
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          this.print(descriptor, chunk);
          done();
        },
      }),
    );
  }
}
