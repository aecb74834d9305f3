import type { ExitStatus, SignalName } from "../../terms/state.ts";
import type { FakeOutput } from "./output.ts";
import { anyOf, type Stdio } from "./stdio.ts";
import type { FakeTerminal } from "./terminal.ts";
import type { FakeTree } from "./tree.ts";
import type { FakeUser } from "./users.ts";

/** What a program of a fake instance can use. When a signal ends it, everything that it waits for rejects. */
export interface FakeCall {
  /** The first word is the name of the program. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** An absolute path inside. */
  readonly cwd: string;
  /** The user that it runs as. */
  readonly user: FakeUser;
  /** Its pid inside. */
  readonly pid: number;
  /** The files of its instance. */
  readonly tree: FakeTree;
  /** What the instance itself prints: the standard output and error of its main program, or its console. */
  readonly output: FakeOutput;
  /** Its terminal, if it was started on one. */
  readonly terminal: FakeTerminal | undefined;
  /** Its ends of pipes or a terminal: for a child that does not share those of its parent. */
  readonly stdio: Stdio;
  /** Aborts when a signal ends the program. */
  readonly signal: AbortSignal;
  /** Reads the next piece of standard input; `undefined` at its end. */
  read(): Promise<Buffer | undefined>;
  /** Writes to standard output; resolves when there is room for more. */
  print(data: string | Uint8Array): Promise<void>;
  /** Writes to standard error. */
  complain(data: string): Promise<void>;
  /** Waits, in milliseconds. Time does not pass for a frozen instance. */
  sleep(duration: number): Promise<void>;
  /** Starts a program as its child, in the same process group unless `apart` is set. */
  start(
    argv: readonly string[],
    changes?: Partial<Pick<FakeCall, "env" | "cwd" | "stdio">> & { readonly apart?: boolean },
  ): FakeProcess;
  /** Replaces this program by another one. */
  become(argv: readonly string[], changes?: Partial<Pick<FakeCall, "env" | "cwd" | "stdio">>): Promise<number>;
  /**
   * Sends a signal to a process of the instance, or with a negative number to a group. Signal 0 only checks. False when
   * there is no such process or group.
   */
  kill(pid: number, signal: SignalName | 0): boolean;
  /** Ends the program as the kernel's OOM killer would: the result of `run()` has `oom`. */
  runOutOfMemory(): void;
}

/** A program: returns its exit code. An error that it throws is exit code 1, and the message is on standard error. */
export type FakeProgram = (call: FakeCall) => number | Promise<number>;

// signal(7): the signals whose default action does not end the process.
const HARMLESS: ReadonlySet<SignalName> = new Set(["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"]);

/** A running program in a fake instance. */
export class FakeProcess {
  readonly pid: number;
  readonly group: number;
  readonly origin: number;
  readonly argv: readonly string[];
  readonly exit: Promise<ExitStatus>;
  readonly #killed = new AbortController();
  #stdio: Stdio;
  #settle: (status: ExitStatus) => void = () => {};
  #ended = false;

  constructor(
    { pid, group, origin }: Pick<FakeProcess, "pid" | "group" | "origin">,
    argv: readonly string[],
    stdio: Stdio,
  ) {
    this.pid = pid;
    this.group = group;
    this.origin = origin;
    this.argv = argv;
    this.#stdio = stdio;
    this.exit = new Promise((resolve) => {
      this.#settle = resolve;
    });
    for (const stream of [stdio.stdin, stdio.stdout, stdio.stderr]) stream.hold();
  }

  /** Switches to other streams, and releases the previous ones. */
  use(stdio: Stdio): void {
    const former = this.#stdio;
    this.#stdio = stdio;
    for (const stream of [stdio.stdin, stdio.stdout, stdio.stderr]) stream.hold();
    for (const stream of [former.stdin, former.stdout, former.stderr]) stream.release();
  }

  get killed(): AbortSignal {
    return this.#killed.signal;
  }

  deliver(signal: SignalName): void {
    if (HARMLESS.has(signal)) return;
    this.end({ kind: "signaled", signal });
  }

  end(status: ExitStatus): void {
    if (this.#ended) return;
    this.#ended = true;
    if (status.kind === "signaled") this.#killed.abort(new Error(`ended by ${status.signal}`));
    for (const stream of [this.#stdio.stdin, this.#stdio.stdout, this.#stdio.stderr]) stream.release();
    this.#settle(status);
  }
}

/** Writes, and waits for room. @throws the reason of an abort; an error when the reader is gone. */
export async function writeTo(stdio: Stdio["stdout"], data: string | Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { stream } = stdio;
  if (stream.destroyed || stream.writableEnded) throw new Error("broken pipe");
  if (!stream.write(data)) await anyOf(stream, ["drain", "close"], signal);
}
