import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startMonitor } from "../src/monitor.ts";
import { PROGRAM_SPEC } from "./support/spec.ts";

/** What this process has open, as far as it is still there to be told. */
function openFiles(): readonly string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

it("keeps no file of the output open when the other cannot be", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-output-"));
  try {
    const stdout = join(folder, "stdout");
    const output = { kind: "files", stdout, stderr: join(folder, "nowhere", "stderr") } as const;
    const started = startMonitor("/nowhere/lxc-start", { ...PROGRAM_SPEC, run: folder, output }, {});
    await expect(started).rejects.toMatchObject({ code: "ENOENT" });
    expect(openFiles()).not.toContain(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
