import { closeSync, constants, openSync } from "node:fs";
import { Duplex } from "node:stream";
import type { BackendProcess } from "../contract/backend-process.ts";
import { signalName } from "../files/signal-name.ts";
import type { ExitStatus } from "../terms/state.ts";
import { ProgramGroup } from "./program-group.ts";

/** A program on a pseudo-terminal: what node-pty's `spawn()` returns with `encoding: null`. */
export interface TerminalProgram {
  /** The pid of the program, which leads a session. */
  readonly pid: number;
  /** Calls `listener` with the program's output: a Buffer, although node-pty's types say string. */
  onData(listener: (chunk: string) => void): unknown;
  /** Calls `listener` when the program has ended and all of its output was delivered. */
  onExit(listener: (end: { readonly exitCode: number; readonly signal?: number | undefined }) => void): unknown;
  /** Writes `data` to the terminal, as typed input. */
  write(data: string | Buffer): void;
  /** Changes the size of the terminal. */
  resize(columns: number, rows: number): void;
  /** Pauses the calls of `onData()` listeners. */
  pause(): void;
  /** Resumes them. */
  resume(): void;
}

/** Wraps a program for the engine that this process has just started on a terminal with the device `path`. */
export function programOnTerminal(terminal: TerminalProgram, path: string): BackendProcess {
  const group = new ProgramGroup(terminal.pid);
  // Else unread output would be lost when the last program on the terminal ends (libuv, uv__stream_io, POLLHUP).
  const held = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const tty = new Duplex({
    read: () => terminal.resume(),
    write: (chunk: Buffer, _, next) => {
      terminal.write(chunk);
      next();
    },
    destroy: (error, done) => {
      // The hangup of a closed terminal. A program that has become another user's does not get it.
      group.kill("SIGHUP").catch(() => undefined);
      // node-pty reports the end only after all output was read.
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
