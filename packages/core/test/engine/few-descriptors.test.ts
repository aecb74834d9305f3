import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("does what it can with one free descriptor or none, or says with a HostError that they are used up", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-few-"));
  try {
    const program = fileURLToPath(new URL("few-descriptors.ts", import.meta.url));
    const argv = ["--import", "tsx", "--conditions=@pileus/source", program, folder];
    const limit = { timeout: 110_000, killSignal: "SIGKILL" } as const;
    const { told, left, reason } = JSON.parse((await promisify(execFile)(process.execPath, argv, limit)).stdout);
    const other = told.filter(([, , outcome]: readonly string[]) => outcome !== "works" && outcome !== "ERR_HOST");
    expect(other).toEqual([]);
    expect(told.filter(([, free, outcome]: readonly unknown[]) => free === 0 && outcome === "ERR_HOST")).not.toEqual(
      [],
    );
    expect(left).toBe(0);
    expect(reason).toBe("program");
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
