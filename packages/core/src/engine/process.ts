import { constants } from "node:os";
import type { Stream } from "node:stream";
import { ConfigError, isInstanceError } from "../contract/errors.ts";
import type { InstanceProcess, PipeProcess, TtyProcess } from "../contract/process.ts";
import { abortable } from "../driver/deadline.ts";
import type { BackendProcess } from "../driver/process.ts";
import { TerminalSizeSchema } from "../model/exec.ts";
import { parse } from "../model/parse.ts";

type Streams<K> = Extract<BackendProcess["streams"], { readonly kind: K }>;

/** A program on pipes, as the contract has it. */
export function pipeProcess(started: BackendProcess, { stdin, stdout, stderr }: Streams<"pipes">): PipeProcess {
  return { ...ownedProcess(started, [stdin, stdout, stderr]), stdin, stdout, stderr };
}

/** A program on a terminal, as the contract has it. */
export function ttyProcess(started: BackendProcess, { tty }: Streams<"tty">): TtyProcess {
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

function ownedProcess(
  started: BackendProcess,
  streams: readonly (Stream & { destroy(): unknown })[],
): InstanceProcess & { hasEnded(): boolean } {
  let ended = false;
  const markEnded = () => {
    ended = true;
  };
  // Also: a lost connection must not be an unhandled rejection for an owner who never looks at `exit`.
  started.exit.then(markEnded, markEnded);
  return {
    exit: started.exit,
    hasEnded: () => ended,
    kill: async (signal = "SIGTERM", options = {}) => {
      options.signal?.throwIfAborted();
      if (!(signal in constants.signals))
        throw new ConfigError("kill", [{ path: ["signal"], message: `"${signal}" is no signal` }]);
      if (!ended) await abortable(started.kill(signal), options.signal);
    },
    [Symbol.asyncDispose]: async () => {
      try {
        if (!ended) await started.kill("SIGKILL");
        await started.exit;
      } catch (error) {
        // Gone with its instance or agent: there is nothing left to end.
        if (!isInstanceError(error, "ERR_INSTANCE_CONNECTION")) throw error;
      } finally {
        for (const stream of streams) stream.destroy();
      }
    },
  };
}
