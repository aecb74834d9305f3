import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { readProcess } from "../../src/processes/process-ids.ts";
import { eventually } from "../../src/testing/kit/expect.ts";

/** A shell that this test started, by default as the leader of a session. It ends with the test. */
export function shell(script: string, { detached = true } = {}): ChildProcessWithoutNullStreams {
  const child = spawn("sh", ["-c", script], { detached });
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  });
  return child;
}

/** The next line that a program prints, as the pid that it is. */
export async function printedPid(output: Readable): Promise<number> {
  const lines = createInterface({ input: output });
  const [line] = await once(lines, "line");
  return Number(line);
}

/** Resolves when the process has ended: the kernel reports that only to its parent. */
export async function untilGone(pid: number): Promise<void> {
  await eventually(5000, `the end of process ${pid}`, async () => (readProcess(pid) === undefined ? true : undefined));
}
