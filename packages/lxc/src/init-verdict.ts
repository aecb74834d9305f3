import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { constants as os } from "node:os";
import { setImmediate } from "node:timers/promises";
import { type Abortable, FileError, NotFoundError } from "@pileus/core";
import { abortable } from "@pileus/core/driver";
import type { InitSpec } from "./container-spec.ts";

/** The step that failed: helper/init-helper.c. */
const STEPS: Readonly<Record<number, string>> = { 1: "become the user for", 2: "run", 3: "confine" };
const [PROGRAM, FOLDER] = [2, 4];

/** The report of helper/init-helper.c if it could not start PID 1's program, with the reason. */
export class InitVerdict implements Disposable {
  readonly #program: string;
  readonly #cwd: string;
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #received: Buffer = Buffer.alloc(0);

  /** Listens at the FIFO. To be made before the container starts. */
  constructor(fifo: string, { argv: [program = ""], cwd = "/" }: Pick<InitSpec, "argv" | "cwd">) {
    this.#program = program;
    this.#cwd = cwd;
    // fifo(7): a reader sees an end only after there was a writer.
    const fd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#ended = new Promise((resolve) => this.#socket.once("close", () => resolve()));
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (bytes: Buffer) => {
      // Further bytes do not come from the helper.
      if (this.#received.length < 8) this.#received = Buffer.concat([this.#received, bytes]).subarray(0, 8);
    });
  }

  /**
   * Resolves when PID 1 has become its program. `gone` settles when PID 1 has ended.
   *
   * @throws {NotFoundError} when the program is missing
   * @throws {FileError} when the program exists and cannot be run, or its working folder cannot be entered, or is none of
   * the container's
   */
  async accept(gone: Promise<unknown>, { signal }: Abortable): Promise<void> {
    // By then, everything written before the end has been read.
    const end = gone.then(() => setImmediate());
    await abortable(Promise.race([this.#ended, end]), signal);
    if (this.#received.length < 8) return;
    const [what, errno] = [this.#received.readUInt32LE(0), this.#received.readUInt32LE(4)];
    if (what === PROGRAM && errno === os.errno.ENOENT)
      throw new NotFoundError("program", this.#program, {
        hint: "it is neither a path in the instance nor found by its PATH, or its interpreter is missing",
      });
    const name = Object.entries(os.errno).find(([, number]) => number === errno)?.[0] ?? `error ${errno}`;
    if (what === FOLDER) throw new FileError({ verb: "enter", path: this.#cwd, errno: name });
    const verb = STEPS[what] ?? "start";
    throw new FileError({ verb, path: this.#program, errno: name });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
