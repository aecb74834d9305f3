import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { livingKeeper } from "../../src/keeper/held-run.ts";
import { findKeeper } from "../../src/keeper/keeper.ts";
import { isAlive, type ProcessIdentity } from "../../src/system/process-identity.ts";
import { requires } from "../../src/testing/requires.ts";

/** Before all processes that run now: they started before the clock of that namespace began. */
const sinceNow = () =>
  -BigInt(Math.floor(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000)) * 1_000_000n;

it.for<readonly [string, () => bigint]>([
  ["a day", () => 86_400_000_000_000n],
  ["a day and half a tick", () => 86_400_005_000_000n],
  ["minus its whole time", sinceNow],
  ["minus its whole time, but half a tick", () => sinceNow() + 5_000_000n],
])("processes know each other when the clock of one is ahead by %s", ([, ahead], context) =>
  requires(["root", "file:/proc/self/timens_offsets"], async () => {
    const folder = mkdtempSync(join(tmpdir(), "pileus-time-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const script = fileURLToPath(new URL("in-time-namespace.ts", import.meta.url));
    const node = ["--import", "tsx", "--conditions=@pileus/source", script];
    const pids = [process.pid, 1].map(String);
    const { stdout } = await promisify(execFile)(process.execPath, [...node, `${ahead()}`, folder, ...pids], {
      cwd: import.meta.dirname,
    });
    const seen: ProcessIdentity[] = stdout
      .trim()
      .split("\n")
      .flatMap((line) => JSON.parse(line));
    expect(await Promise.all(seen.map(isAlive))).toEqual([true, true, true, true]);
    for (const name of ["run-before", "run"]) {
      const keeper = await findKeeper(join(folder, name));
      expect((await livingKeeper(join(folder, name)))?.pid).toBe(keeper.state.keeper);
      keeper.kill();
      await keeper.exit;
    }
  })(context),
);
