import { closeSync, constants, openSync } from "node:fs";
import { Duplex } from "node:stream";
import type { ExitStatus } from "../contract/state.ts";
import { signalName } from "../files/signal-name.ts";
import type { BackendProcess } from "./process.ts";
import { ProgramGroup } from "./program-group.ts";

/** A program on a pseudo-terminal: what node-pty's `spawn()` returns with `encoding: null`. */
export interface TerminalProgram {
  /** Of the program, which leads a session. */
  readonly pid: number;
  /** Calls `listener` with what the program prints: a Buffer, which node-pty's types call a string. */
  onData(listener: (chunk: string) => void): unknown;
  /** Calls `listener` when the program has ended and all that it printed has been given out. */
  onExit(listener: (end: { readonly exitCode: number; readonly signal?: number | undefined }) => void): unknown;
  /** Types `data` into the terminal. */
  write(data: string | Buffer): void;
  /** Tells the terminal its size. */
  resize(columns: number, rows: number): void;
  /** Stops the calls of `onData()`. */
  pause(): void;
  /** Goes on with them. */
  resume(): void;
}

/** A program that this process has just started on a terminal, whose device is at `path`: as a driver hands it over. */
export function programOnTerminal(terminal: TerminalProgram, path: string): BackendProcess {
  const group = new ProgramGroup(terminal.pid);
  // Else the end of the last program on it would be the end of what is still to be read (libuv, uv__stream_io,
  // POLLHUP).
  const held = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const tty = new Duplex({
    read: () => terminal.resume(),
    write: (chunk: Buffer, _, next) => {
      terminal.write(chunk);
      next();
    },
    destroy: (error, done) => {
      // It hangs up, as a terminal that is closed does.
      void group.kill("SIGHUP");
      // Its end is told only when all that it printed has been read.
      terminal.resume();
      done(error);
    },
  });
  terminal.onData((chunk) => {
    if (!tty.push(chunk) && !tty.destroyed) terminal.pause();
  });
  const exit = new Promise<ExitStatus>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      group.markEnded();
      closeSync(held);
      tty.push(null);
      resolve(signal ? { kind: "signaled", signal: signalName(signal) } : { kind: "exited", code: exitCode });
    });
  });
  return {
    streams: { kind: "tty", tty },
    exit,
    kill: (signal) => group.kill(signal),
    resize: async ({ columns, rows }) => terminal.resize(columns, rows),
  };
}
