import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import { programOnTerminal, type TerminalProgram } from "../../src/driver/program-on-terminal.ts";
import { shell } from "./program.ts";

/** What node-pty returns, without a terminal: the test says what the program prints, and when its end is reported. */
function terminalOf(child: ChildProcess) {
  let print = (_: string) => {};
  let end = (_: { exitCode: number; signal?: number }) => {};
  const calls = { write: vi.fn(), resize: vi.fn(), pause: vi.fn(), resume: vi.fn() };
  const terminal: TerminalProgram = {
    pid: child.pid ?? 0,
    onData: (listener) => {
      print = listener;
    },
    onExit: (listener) => {
      end = listener;
    },
    ...calls,
  };
  const program = programOnTerminal(terminal, "/dev/null");
  if (program.streams.kind !== "tty") throw new TypeError("not on a terminal");
  return {
    program,
    calls,
    tty: program.streams.tty as Duplex,
    print: (chunk: Buffer) => print(chunk as unknown as string),
    end: (status: { exitCode: number; signal?: number }) => end(status),
  };
}

it("carries the terminal's bytes and size, and reports the exit code after the output", async () => {
  const { program, tty, calls, print, end } = terminalOf(shell("exit 0"));
  tty.write("typed");
  await program.resize({ columns: 90, rows: 30 });
  print(Buffer.from("printed"));
  end({ exitCode: 7, signal: 0 });
  expect(await text(tty)).toBe("printed");
  expect(await program.exit).toEqual({ kind: "exited", code: 7 });
  expect(calls.write).toHaveBeenCalledWith(Buffer.from("typed"));
  expect(calls.resize).toHaveBeenCalledWith(90, 30);
});

it("names the signal that ended the program", async () => {
  const { program, end } = terminalOf(shell("exit 0"));
  end({ exitCode: 0, signal: 15 });
  expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
});

it("pauses the program while nobody reads, and resumes it for a reader", async () => {
  const { tty, calls, print, end } = terminalOf(shell("exit 0"));
  const much = Buffer.alloc(tty.readableHighWaterMark, "x");
  print(much);
  expect(calls.pause).toHaveBeenCalledTimes(1);
  const read = text(tty);
  await vi.waitFor(() => expect(calls.resume).toHaveBeenCalled());
  end({ exitCode: 0 });
  expect(await read).toHaveLength(much.length);
});

it("hangs up a program whose terminal is closed, even one that does not lead its group yet", async () => {
  const child = shell("exec sleep 60", { detached: false });
  const { tty, calls, print } = terminalOf(child);
  tty.destroy();
  expect(await once(child, "exit")).toEqual([null, "SIGHUP"]);
  // The end is reported only after the output was read.
  expect(calls.resume).toHaveBeenCalled();
  print(Buffer.alloc(2 ** 20));
  expect(calls.pause).not.toHaveBeenCalled();
});
