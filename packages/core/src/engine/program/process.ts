import type { Duplex, Readable, Stream, Writable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { BackendProcess } from "../../contract/backend-process.ts";
import type { InstanceProcess, LineListeners, PipeProcess, TtyProcess } from "../../contract/process.ts";
import { ConfigError, isInstanceError } from "../../errors/all.ts";
import { parseSignal, signalName } from "../../files/signal-name.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, type Deadline } from "../../flow/deadline.ts";
import { AbortableSchema } from "../../model/call-options.ts";
import { TerminalSizeSchema } from "../../model/exec.ts";
import { TERMINAL_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import type { ExitStatus, SignalName } from "../../terms/state.ts";
import type { TerminalSize } from "../../terms/terminal-size.ts";
import { emitLines } from "./line-splitter.ts";

/** Milliseconds to wait for the end of a killed program. It usually takes five. */
const KILL_TIMEOUT = 1000;

/** A program inside, with what the engine knows about it. */
export interface StartedProcess extends BackendProcess {
  /** Whether the instance is frozen. A kill then takes effect at the thaw, and nothing waits for it. */
  isFrozen(): boolean;
  /** Whether the engine has sent it `SIGKILL`, for any reason. */
  readonly wasKilled: boolean;
}

type Streams<K> = Extract<BackendProcess["streams"], { readonly kind: K }>;

/** A program as its owner holds it. `lifetime` kills it on abort, and is disposed when the program ends. */
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
    // A lost connection must not be an unhandled rejection when the owner never uses `exit`.
    this.exit.catch(() => undefined);
    this.#streams = streams;
    this.#lifetime = lifetime;
    const end = () => this.#end();
    started.exit.then(end, end);
    lifetime?.signal.addEventListener("abort", () => this.#expire(), { once: true });
    if (lifetime?.signal.aborted) this.#expire();
    // A program may end before it has read all of its input: that must not crash an owner without an `error` listener.
    for (const stream of streams) stream.on("error", () => undefined);
  }

  get timedOut(): boolean {
    return this.#timedOut;
  }

  protected get hasEnded(): boolean {
    return this.#state !== "running";
  }

  async kill(signal: SignalName = "SIGTERM", options: Abortable = {}): Promise<void> {
    parse(AbortableSchema, options, "options of kill");
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

/** A program on pipes, with the interface of the contract. */
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
    // As child processes do it: an owner that never writes must not keep one pipe open for each program that ever ran.
    const close = () => void stdin.destroy();
    started.exit.then(close, close);
  }
}

/** A program on a terminal, with the interface of the contract. */
class OwnedTerminal extends OwnedProcess implements TtyProcess {
  readonly tty: Duplex;

  constructor(started: StartedProcess, { tty }: Streams<"tty">, lifetime: Deadline | undefined) {
    super(started, [tty], lifetime);
    this.tty = tty;
  }

  async resize(size: TerminalSize, options: Abortable = {}): Promise<void> {
    const checked = parse(TerminalSizeSchema, size, "terminal size", TERMINAL_HABITS);
    parse(AbortableSchema, options, "options of resize");
    options.signal?.throwIfAborted();
    if (!this.hasEnded) await abortable(this.started.resize(checked), options.signal);
  }
}

/** Wraps a program for its owner: on a terminal if it has one, else on pipes. */
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

/** Delivers lines to the listeners. When one throws, kills the program and rejects with that error. */
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
    if (onStdout !== undefined) emitLines(stdout, onStdout, fail);
    if (onStderr !== undefined) emitLines(stderr, onStderr, fail);
  });
}

/** A kill without a wait. It fails only when the program is gone together with its instance or its agent. */
function killQuietly(started: StartedProcess): void {
  started.kill("SIGKILL").catch(() => undefined);
}

/**
 * Kills a program inside and waits at most a second for its end. It does not wait for a frozen program, nor for one
 * whose peer does not answer.
 */
export async function endProcess(started: StartedProcess): Promise<void> {
  const timer = new AbortController();
  try {
    await Promise.race([killed(started), setTimeout(KILL_TIMEOUT, undefined, { signal: timer.signal })]);
  } catch (error) {
    // The program is gone together with its instance or agent: nothing is left to kill.
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  } finally {
    timer.abort();
  }
}

async function killed(started: StartedProcess): Promise<void> {
  await started.kill("SIGKILL");
  if (!started.isFrozen()) await started.exit;
}

/** @throws {ConfigError} when `name` is not a signal */
export function canonicalSignal(name: unknown): SignalName {
  const number = parseSignal(String(name));
  if (number !== undefined && typeof name === "string" && name.startsWith("SIG")) return signalName(number);
  const example = number === undefined ? "SIGTERM or SIGRTMIN+3, for example" : signalName(number);
  throw new ConfigError("kill", [
    {
      path: ["signal"],
      message: `${typeof name === "string" ? JSON.stringify(name) : String(name)} is not a signal: write ${example}`,
    },
  ]);
}
