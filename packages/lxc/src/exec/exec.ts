import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { type Abortable, ConnectionError, type ExitStatus } from "@pileus/core";
import { type BackendProcess, type Idmap, idOutside, sendDescriptors, socketPair } from "@pileus/core/driver";
import { EXEC_HELPER } from "../helpers.ts";
import { launch } from "../launch.ts";
import {
  decodeNews,
  encodeRequest,
  encodeResize,
  encodeSignal,
  type HelperNews,
  type HelperRequest,
} from "./protocol.ts";
import { openPipes, type ProgramPipes, terminalStream } from "./streams.ts";

/** Milliseconds that an abandoned helper gets to end its program, and with it lxc-attach. It mostly takes five. */
const PATIENCE = 1000;

/** What an exec needs to know of the container that it goes to. */
export interface ExecTarget {
  readonly name: string;
  /** argv that runs the program at descriptor 4 inside: lxc-attach(1). */
  readonly argv: readonly string[];
  /** Of the tool itself, which lets none of it through. */
  readonly env: Readonly<Record<string, string>>;
  readonly idmap: Idmap | undefined;
}

/**
 * Starts a program inside: lxc-attach enters the container with all that confines it, and our helper, executed there by
 * descriptor, becomes the program and stays its parent. See docs/design/0002-exec-in-containers.md.
 *
 * `asked` may still be on its way: entering takes longer than to find out about a user.
 */
export async function execInside(
  target: ExecTarget,
  kind: BackendProcess["streams"]["kind"],
  asked: Promise<HelperRequest>,
  options: Abortable,
): Promise<BackendProcess> {
  // Looked at below, if we get there.
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
    pipes.give(idOutside(target.idmap, request.uid), idOutside(target.idmap, request.gid));
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
  /** Settles when the program runs, or could not be started: then `exit` says so. */
  readonly begun: Promise<void>;
  readonly exit: Promise<ExitStatus>;
  /** Resolves when nothing of it is left on the host. */
  readonly left: Promise<void>;
  #unread: Buffer = Buffer.alloc(0);

  constructor(target: ExecTarget, pipes: ProgramPipes, kind: BackendProcess["streams"]["kind"]) {
    const { control, fd, theirs } = connect();
    this.#control = control;
    try {
      // Not by inheritance: lxc-attach would hold them for as long as it runs, and no stream would end before that.
      const [stdin, stdout, stderr] = pipes.theirs;
      sendDescriptors(fd, [stdin, stdout, kind === "tty" ? stdout : stderr]);
      // The helper ends what it started when the control connection closes, however we ended.
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
      // It was never there.
      this.#child.once("error", () => resolve());
    });
    // A broken connection shows as its end.
    this.#control.on("error", () => undefined);
    const begun = deferred<void>();
    const exit = deferred<ExitStatus>();
    this.begun = begun.promise;
    this.exit = exit.promise;
    this.#control.on("data", (bytes: Buffer) => {
      for (const news of this.#decode(bytes)) {
        if (news.kind === "failed") exit.resolve({ kind: "exited", code: news.code });
        if (news.kind === "ended") {
          exit.resolve(news.status);
          // What is left of its group must not keep us from our own end.
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
    // As the system says it: the engine tells of it with the fix.
    this.#child.once("error", fail);
    this.#control.once("close", () => {
      const why = "it ended without a word: the container stopped, or is at its limit of processes or memory";
      fail(new ConnectionError(`a program in container "${target.name}"`, why));
    });
  }

  send(frame: Buffer): void {
    if (this.#control.writable) this.#control.write(frame);
  }

  /** Ends the program with all that it started, or keeps it from starting. What is left after its end lives on. */
  abandon(): void {
    this.#control.destroy();
  }

  /**
   * Abandons it and resolves when nothing of it is left on the host: also where what is inside stands still, or is made
   * to.
   */
  async dismiss(): Promise<void> {
    this.abandon();
    const late = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE);
    await this.left;
    clearTimeout(late);
  }

  #decode(bytes: Buffer): readonly HelperNews[] {
    const { news, rest } = decodeNews(Buffer.concat([this.#unread, bytes]));
    this.#unread = rest;
    return news;
  }
}

/** A connection for a helper: our end, and its own. */
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
  // Nobody may be looking.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
