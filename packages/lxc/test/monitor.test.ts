import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startMonitor } from "../src/monitor.ts";
import { PROGRAM_SPEC } from "./support/spec.ts";

/** The files that this process has open, without those that close during the look. */
function openFiles(): readonly string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

it("keeps no output file open when the other cannot be opened", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-output-"));
  try {
    const stdout = join(folder, "stdout");
    const output = { kind: "files", stdout, stderr: join(folder, "nowhere", "stderr") } as const;
    const started = startMonitor("/nowhere/lxc-start", { ...PROGRAM_SPEC, run: folder, output }, ACCEPTED, {});
    await expect(started).rejects.toMatchObject({ code: "ENOENT" });
    expect(openFiles()).not.toContain(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const ACCEPTED = { accept: async () => undefined };

/** Stands for lxc-start: logs that it has started, and ends when the file `go` appears. */
const STAND_IN = `#!/bin/sh
for argument; do
  [ "$before" = --logfile ] && log=$argument
  before=$argument
done
echo "lxc-start a 20260101000000.000 DEBUG    start - ../src/lxc/start.c:post_start:1 - Started \\"x\\" with pid \\"$$\\"" >>"$log"
until [ -e "$0.go" ]; do sleep 0.01; done
`;

it("survives that another process removes the log of a run before its end is seen here", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-monitor-"));
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const tool = join(folder, "lxc-start");
    writeFileSync(tool, STAND_IN, { mode: 0o755 });
    const run = mkdtempSync(join(folder, "run-"));
    const output = { kind: "console", file: join(folder, "console") } as const;
    const monitor = await startMonitor(tool, { ...PROGRAM_SPEC, run, output }, ACCEPTED, {});
    rmSync(run, { recursive: true });
    writeFileSync(`${tool}.go`, "");
    await monitor.ended;
    // Unhandled rejections are reported after the microtasks.
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
    expect(monitor.init.find()).toBeUndefined();
    expect(monitor.init.isRebooting()).toBe(false);
  } finally {
    process.off("unhandledRejection", note);
    rmSync(folder, { recursive: true });
  }
});
