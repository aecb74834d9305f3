import type { Duplex, Readable, Stream, Writable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { Abortable } from "../contract/abortable.ts";
import { ConfigError, isInstanceError } from "../contract/errors.ts";
import type { InstanceProcess, LineListeners, PipeProcess, TerminalSize, TtyProcess } from "../contract/process.ts";
import type { ExitStatus, SignalName } from "../contract/state.ts";
import { abortable, type Deadline } from "../driver/deadline.ts";
import type { BackendProcess } from "../driver/process.ts";
import { parseSignal, signalName } from "../files/signal-name.ts";
import { TerminalSizeSchema } from "../model/exec.ts";
import { parse } from "../model/parse.ts";
import { tellLines } from "./line-splitter.ts";

/** Milliseconds that a program that was killed gets to be seen dead. It mostly takes five. */
const KILL_PATIENCE = 1000;

/** A program inside, and what the engine knows of it. */
export interface StartedProcess extends BackendProcess {
  /** Whether the instance is frozen: a kill then takes effect at the thaw, and is not waited for. */
  isFrozen(): boolean;
  /** Whether the engine has sent it `SIGKILL`, for whatever reason. */
  readonly wasKilled: boolean;
}

type Streams<K> = Extract<BackendProcess["streams"], { readonly kind: K }>;

/** A program in the hands of its owner. `lifetime` kills it when it aborts, and is disposed with the program's end. */
class OwnedProcess implements InstanceProcess {
  readonly exit: Promise<ExitStatus>;
  protected readonly started: StartedProcess;
  readonly #streams: readonly (Stream & { destroy(): unknown })[];
  readonly #lifetime: Deadline | undefined;
  #timedOut = false;
  #state: "running" | "ended" | "disposed" = "running";

  constructor(
    started: StartedProcess,
    streams: readonly (Stream & { destroy(): unknown })[],
    lifetime: Deadline | undefined,
    failure?: Promise<never>,
  ) {
    this.started = started;
    this.exit = failure === undefined ? started.exit : Promise.race([started.exit, failure]);
    // A lost connection must not be an unhandled rejection for an owner who never looks at `exit`.
    this.exit.catch(() => undefined);
    this.#streams = streams;
    this.#lifetime = lifetime;
    const end = () => this.#end();
    started.exit.then(end, end);
    lifetime?.signal.addEventListener("abort", () => this.#expire(), { once: true });
    if (lifetime?.signal.aborted) this.#expire();
    // A program may end before it has read all that is written to it: an owner who does not care must not die of that.
    for (const stream of streams) stream.on("error", () => undefined);
  }

  get timedOut(): boolean {
    return this.#timedOut;
  }

  protected get hasEnded(): boolean {
    return this.#state !== "running";
  }

  async kill(signal: SignalName = "SIGTERM", options: Abortable = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const name = canonicalSignal(signal);
    if (this.#state !== "disposed") await abortable(this.started.kill(name), options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { hasEnded } = this;
    this.#state = "disposed";
    try {
      if (!hasEnded) await endProcess(this.started);
    } finally {
      this.#lifetime?.[Symbol.dispose]();
      for (const stream of this.#streams) stream.destroy();
      this.started.release?.();
    }
  }

  #end(): void {
    if (this.#state === "running") this.#state = "ended";
    this.#lifetime?.[Symbol.dispose]();
  }

  #expire(): void {
    if (this.#state !== "running") return;
    this.#timedOut = this.#lifetime?.hasPassed ?? false;
    killQuietly(this.started);
  }
}

/** A program on pipes, as the contract has it. */
class OwnedPipes extends OwnedProcess implements PipeProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;

  constructor(
    started: StartedProcess,
    { stdin, stdout, stderr }: Streams<"pipes">,
    lifetime: Deadline | undefined,
    listeners: LineListeners,
  ) {
    super(started, [stdin, stdout, stderr], lifetime, listenerFailure(started, { stdout, stderr }, listeners));
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    // As of any child process: an owner who never writes must not hold a pipe for each program that ever ran.
    const close = () => void stdin.destroy();
    started.exit.then(close, close);
  }
}

/** A program on a terminal, as the contract has it. */
class OwnedTerminal extends OwnedProcess implements TtyProcess {
  readonly tty: Duplex;

  constructor(started: StartedProcess, { tty }: Streams<"tty">, lifetime: Deadline | undefined) {
    super(started, [tty], lifetime);
    this.tty = tty;
  }

  async resize(size: TerminalSize, options: Abortable = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const checked = parse(TerminalSizeSchema, size, "terminal size");
    if (!this.hasEnded) await abortable(this.started.resize(checked), options.signal);
  }
}

/** Hands a program to its owner. The terminal, if it has one, decides what it is. */
export function ownProcess(
  started: StartedProcess,
  lifetime?: Deadline,
  listeners: LineListeners = {},
): PipeProcess | TtyProcess {
  const { streams } = started;
  return streams.kind === "tty"
    ? new OwnedTerminal(started, streams, lifetime)
    : new OwnedPipes(started, streams, lifetime, listeners);
}

/** Tells lines to the listeners. Rejects with what one of them throws, and kills the program. */
function listenerFailure(
  started: StartedProcess,
  { stdout, stderr }: { readonly stdout: Readable; readonly stderr: Readable },
  { onStdout, onStderr }: LineListeners,
): Promise<never> | undefined {
  if (onStdout === undefined && onStderr === undefined) return undefined;
  return new Promise((_, reject) => {
    const fail = (error: unknown) => {
      reject(error);
      killQuietly(started);
    };
    if (onStdout !== undefined) tellLines(stdout, onStdout, fail);
    if (onStderr !== undefined) tellLines(stderr, onStderr, fail);
  });
}

/** For a kill that nobody waits for: where it fails, the program is gone with its instance or its agent. */
function killQuietly(started: StartedProcess): void {
  started.kill("SIGKILL").catch(() => undefined);
}

/**
 * Kills a program inside and waits for its end, for a second at most: one that stands still, or whose peer has fallen
 * silent, is not waited for.
 */
export async function endProcess(started: StartedProcess): Promise<void> {
  const patience = new AbortController();
  try {
    await Promise.race([killed(started), setTimeout(KILL_PATIENCE, undefined, { signal: patience.signal })]);
  } catch (error) {
    // Gone with its instance or agent: there is nothing left to end.
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  } finally {
    patience.abort();
  }
}

async function killed(started: StartedProcess): Promise<void> {
  await started.kill("SIGKILL");
  if (!started.isFrozen()) await started.exit;
}

/** @throws {ConfigError} for what is no signal */
function canonicalSignal(name: unknown): SignalName {
  const number = typeof name === "string" && name.startsWith("SIG") ? parseSignal(name) : undefined;
  if (number !== undefined) return signalName(number);
  throw new ConfigError("kill", [
    {
      path: ["signal"],
      message: `${typeof name === "string" ? JSON.stringify(name) : String(name)} is no signal: write SIGTERM or SIGRTMIN+3`,
    },
  ]);
}
