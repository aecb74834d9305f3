import type { ExitStatus, SignalName } from "../../contract/state.ts";
import { anyOf, type Stdio } from "./stdio.ts";
import type { FakeTerminal } from "./terminal.ts";
import type { FakeTree } from "./tree.ts";
import type { FakeUser } from "./users.ts";

/** What a program of a fake instance has to work with. Its end by a signal rejects whatever it waits for. */
export interface FakeCall {
  /** The program's own name first. */
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** An absolute path inside. */
  readonly cwd: string;
  /** Who it runs as. */
  readonly user: FakeUser;
  /** Its number inside. */
  readonly pid: number;
  /** The files of its instance. */
  readonly tree: FakeTree;
  /** What it was started on, where that is a terminal. */
  readonly terminal: FakeTerminal | undefined;
  /** The ends of its pipes or its terminal: for a child that is to have others than its parent's. */
  readonly stdio: Stdio;
  /** Aborts when a signal ends the program. */
  readonly signal: AbortSignal;
  /** The next of standard input; `undefined` at its end. */
  read(): Promise<Buffer | undefined>;
  /** To standard output; resolves when there is room for more. */
  print(data: string | Uint8Array): Promise<void>;
  /** To standard error. */
  complain(data: string): Promise<void>;
  /** Milliseconds. Time does not pass for a frozen instance. */
  sleep(duration: number): Promise<void>;
  /** Starts a program as its child, in the same process group unless it is to be `apart`. */
  start(
    argv: readonly string[],
    changes?: Partial<Pick<FakeCall, "env" | "cwd" | "stdio">> & { readonly apart?: boolean },
  ): FakeProcess;
  /** Runs a program in this one's place. */
  become(argv: readonly string[], changes?: Partial<Pick<FakeCall, "env" | "cwd" | "stdio">>): Promise<number>;
  /**
   * Sends a signal to a process of the instance, or with a negative number to a group; 0 only asks. False: there is
   * none.
   */
  kill(pid: number, signal: SignalName | 0): boolean;
  /** Is killed as by the kernel because memory ran out: `run()` tells `oom`. */
  runOutOfMemory(): void;
}

/** A program: returns its exit code. An error that it throws is exit code 1, and the message is on standard error. */
export type FakeProgram = (call: FakeCall) => number | Promise<number>;

// signal(7): those whose default is not to end the process.
const HARMLESS: ReadonlySet<SignalName> = new Set(["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"]);

/** A program under way in a fake instance. */
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

  /** Has other streams from here on, and lets go of those that it had. */
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

/** Writes, and waits for room. @throws the reason of an abort; an error where nobody reads any more. */
export async function writeTo(stdio: Stdio["stdout"], data: string | Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { stream } = stdio;
  if (stream.destroyed || stream.writableEnded) throw new Error("broken pipe");
  if (!stream.write(data)) await anyOf(stream, ["drain", "close"], signal);
}
