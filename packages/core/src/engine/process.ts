import type { Stream } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { ConfigError, isInstanceError } from "../contract/errors.ts";
import type { InstanceProcess, PipeProcess, TtyProcess } from "../contract/process.ts";
import type { SignalName } from "../contract/state.ts";
import { abortable } from "../driver/deadline.ts";
import type { BackendProcess } from "../driver/process.ts";
import { parseSignal, signalName } from "../files/signal-name.ts";
import { TerminalSizeSchema } from "../model/exec.ts";
import { parse } from "../model/parse.ts";

/** Milliseconds that a program that was killed gets to be seen dead. It mostly takes five. */
const PATIENCE = 1000;

/** A program inside, and what its instance says of it. */
export interface StartedProcess extends BackendProcess {
  /** Whether the instance is frozen: a kill then takes effect at the thaw, and is not waited for. */
  isFrozen(): boolean;
}

type Streams<K> = Extract<BackendProcess["streams"], { readonly kind: K }>;

/** A program on pipes, as the contract has it. */
export function pipeProcess(started: StartedProcess, { stdin, stdout, stderr }: Streams<"pipes">): PipeProcess {
  // As of any child process: an owner who never writes must not hold a pipe for each program that ever ran.
  const close = () => void stdin.destroy();
  started.exit.then(close, close);
  return { ...ownedProcess(started, [stdin, stdout, stderr]), stdin, stdout, stderr };
}

/** A program on a terminal, as the contract has it. */
export function ttyProcess(started: StartedProcess, { tty }: Streams<"tty">): TtyProcess {
  const owned = ownedProcess(started, [tty]);
  return {
    ...owned,
    tty,
    resize: async (size, options = {}) => {
      options.signal?.throwIfAborted();
      const checked = parse(TerminalSizeSchema, size, "terminal size");
      if (!owned.hasEnded()) await abortable(started.resize(checked), options.signal);
    },
  };
}

/**
 * Kills a program inside and waits for its end, for a second at most: one that stands still, or whose peer has fallen
 * silent, is not waited for.
 */
export async function endProcess(started: StartedProcess): Promise<void> {
  const patience = new AbortController();
  try {
    await Promise.race([killed(started), setTimeout(PATIENCE, undefined, { signal: patience.signal })]);
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

function ownedProcess(
  started: StartedProcess,
  streams: readonly (Stream & { destroy(): unknown })[],
): InstanceProcess & { hasEnded(): boolean } {
  let ended = false;
  const markEnded = () => {
    ended = true;
  };
  // Also: a lost connection must not be an unhandled rejection for an owner who never looks at `exit`.
  started.exit.then(markEnded, markEnded);
  // A program may end before it has read all that is written to it: an owner who does not care must not die of that.
  for (const stream of streams) stream.on("error", () => undefined);
  return {
    exit: started.exit,
    hasEnded: () => ended,
    kill: async (signal = "SIGTERM", options = {}) => {
      options.signal?.throwIfAborted();
      const name = canonicalSignal(signal);
      if (!ended) await abortable(started.kill(name), options.signal);
    },
    [Symbol.asyncDispose]: async () => {
      try {
        if (!ended) await endProcess(started);
      } finally {
        for (const stream of streams) stream.destroy();
      }
    },
  };
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
