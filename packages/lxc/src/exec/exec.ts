import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { type Abortable, ConnectionError, type ExitStatus } from "@pileus/core";
import { type BackendProcess, type Idmap, idOutside, sendDescriptors, socketPair } from "@pileus/core/driver";
import { EXEC_HELPER } from "../helpers.ts";
import { launch } from "../launch.ts";
import {
  decodeMessages,
  encodeRequest,
  encodeResize,
  encodeSignal,
  type HelperMessage,
  type HelperRequest,
} from "./protocol.ts";
import { openPipes, type ProgramPipes, terminalStream } from "./streams.ts";

/**
 * How long an abandoned helper may take to end its program and so lxc-attach, in milliseconds. It usually takes five.
 */
const ABANDON_TIMEOUT = 1000;

/** What an exec must know about its container. */
export interface ExecTarget {
  readonly name: string;
  /** argv that runs the program at descriptor 4 inside: lxc-attach(1). */
  readonly argv: readonly string[];
  /** The environment of the tool itself, which passes none of it on. */
  readonly env: Readonly<Record<string, string>>;
  readonly idmap: Idmap | undefined;
}

/**
 * Starts a program inside: lxc-attach enters the container with all its restrictions. Our helper, executed there by
 * descriptor, starts the program and stays its parent. See docs/design/0002-exec-in-containers.md.
 *
 * `asked` may still be pending: to enter the container takes longer than to look up a user.
 */
export async function execInside(
  target: ExecTarget,
  kind: BackendProcess["streams"]["kind"],
  asked: Promise<HelperRequest>,
  options: Abortable,
): Promise<BackendProcess> {
  // A rejection is handled below, if the code gets there.
  asked.catch(() => undefined);
  const pipes = openPipes();
  let program: AttachedProgram;
  try {
    program = new AttachedProgram(target, pipes, kind);
  } catch (error) {
    pipes.destroy();
    throw error;
  }
  const abort = () => program.abandon();
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    const request = await asked;
    pipes.setOwner(idOutside(target.idmap, request.uid), idOutside(target.idmap, request.gid));
    pipes.handOver();
    program.send(encodeRequest(request));
    await program.begun;
    options.signal?.throwIfAborted();
  } catch (error) {
    await program.dismiss();
    pipes.destroy();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
  const { stdin, stdout, stderr } = pipes;
  return {
    streams: kind === "pipes" ? { kind, stdin, stdout, stderr } : { kind, tty: terminalStream(pipes) },
    exit: program.exit,
    kill: async (signal) => program.send(encodeSignal(signal)),
    resize: async (size) => program.send(encodeResize(size)),
    release: () => program.abandon(),
  };
}

/** One lxc-attach with our helper behind it, and the connection to it. */
class AttachedProgram {
  readonly #child: ChildProcess;
  readonly #control: Socket;
  /** Settles when the program runs or could not be started. In the second case `exit` has the result. */
  readonly begun: Promise<void>;
  readonly exit: Promise<ExitStatus>;
  /** Resolves when nothing of the program is left on the host. */
  readonly left: Promise<void>;
  #unread: Buffer = Buffer.alloc(0);

  constructor(target: ExecTarget, pipes: ProgramPipes, kind: BackendProcess["streams"]["kind"]) {
    const { control, fd, theirs } = connect();
    this.#control = control;
    try {
      // The descriptors are not inherited: lxc-attach would keep them open as long as it runs, and no stream would end
      // before that.
      const [stdin, stdout, stderr] = pipes.theirs;
      sendDescriptors(fd, [stdin, stdout, kind === "tty" ? stdout : stderr]);
      // The helper ends what it started when the control connection closes, even if this process crashes.
      this.#child = launch(target.argv, {
        stdio: ["ignore", "ignore", "ignore", theirs, EXEC_HELPER.descriptor()],
        env: target.env,
      });
    } catch (error) {
      control.destroy();
      throw error;
    } finally {
      closeSync(theirs);
    }
    this.left = new Promise<void>((resolve) => {
      this.#child.once("close", () => resolve());
      // The process never started.
      this.#child.once("error", () => resolve());
    });
    // A broken connection is handled as its end.
    this.#control.on("error", () => undefined);
    const begun = deferred<void>();
    const exit = deferred<ExitStatus>();
    this.begun = begun.promise;
    this.exit = exit.promise;
    this.#control.on("data", (bytes: Buffer) => {
      for (const message of this.#decode(bytes)) {
        if (message.kind === "failed") exit.resolve({ kind: "exited", code: message.code });
        if (message.kind === "ended") {
          exit.resolve(message.status);
          // The rest of its group must not keep this process alive.
          this.#child.unref();
          this.#control.unref();
        }
        begun.resolve();
      }
    });
    const fail = (error: unknown) => {
      begun.reject(error);
      exit.reject(error);
    };
    // The plain system error: the engine adds the fix.
    this.#child.once("error", fail);
    this.#control.once("close", () => {
      const why = "it ended without a message";
      fail(new ConnectionError(`a program in container "${target.name}"`, why));
    });
  }

  send(frame: Buffer): void {
    if (this.#control.writable) this.#control.write(frame);
  }

  /**
   * Kills the program with everything it started, or keeps it from starting. After the program's end, the processes
   * that it left live on.
   */
  abandon(): void {
    this.#control.destroy();
  }

  /**
   * Abandons the program, and resolves when nothing of it is left on the host. Works even if the processes inside are
   * frozen.
   */
  async dismiss(): Promise<void> {
    this.abandon();
    const late = setTimeout(() => this.#child.kill("SIGKILL"), ABANDON_TIMEOUT);
    await this.left;
    clearTimeout(late);
  }

  #decode(bytes: Buffer): readonly HelperMessage[] {
    const { messages, rest } = decodeMessages(Buffer.concat([this.#unread, bytes]));
    this.#unread = rest;
    return messages;
  }
}

/** A connection to a helper: our end, and the helper's. */
function connect(): { readonly control: Socket; readonly fd: number; readonly theirs: number } {
  const [fd, theirs] = socketPair();
  return { control: new Socket({ fd, readable: true, writable: true }), fd, theirs };
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // There may be no listener: a rejection must not count as unhandled.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
