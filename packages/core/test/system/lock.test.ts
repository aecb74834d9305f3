import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acquireLock, tryLock } from "../../src/system/lock.ts";
import { within } from "../../src/testing/kit/expect.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-lock-"));
  path = join(folder, "instance-a");
});
afterEach(() => rm(folder, { recursive: true }));

/** Another process that holds the lock until its standard input ends, or it is killed. */
async function holder() {
  const child = spawnProcess("flock", ["--exclusive", path, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

/** Resolves when somebody waits for the lock: proc_locks(5) shows that below the one who holds it. */
async function waitedFor() {
  const waiter = new RegExp(`-> FLOCK .*:${statSync(path).ino} `);
  await expect.poll(() => readFileSync("/proc/locks", "utf8"), { timeout: 10_000, interval: 5 }).toMatch(waiter);
}

describe("a lock", () => {
  it("is taken at once while it is free, and again after its release", async () => {
    for (let round = 0; round < 3; round++) {
      const lock = await acquireLock(path);
      expect(await tryLock(path)).toBeUndefined();
      await lock.release();
      await lock.release();
    }
  });

  it("is waited for within one process, one holder at a time", async () => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const lock = await acquireLock(path);
        most = Math.max(most, ++inside);
        await new Promise(setImmediate);
        inside--;
        await lock.release();
      }),
    );
    expect(most).toBe(1);
  });

  it("is waited for while another process holds it", async () => {
    const child = await holder();
    expect(await tryLock(path)).toBeUndefined();
    let had = false;
    const waiting = acquireLock(path).then((lock) => {
      had = true;
      return lock;
    });
    await waitedFor();
    expect(had).toBe(false);
    child.stdin.end();
    await (await waiting).release();
  });

  it("is freed by the kernel when its holder is killed by SIGKILL", async () => {
    const child = spawnProcess("flock", ["--exclusive", "--no-fork", path, "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const waiting = acquireLock(path);
    child.kill("SIGKILL");
    const lock = await within(5000, "the lock of a holder that was killed", waiting);
    expect(await tryLock(path)).toBeUndefined();
    await lock.release();
  });

  it("stops waiting on abort with the caller's reason, and does not hold the lock afterwards", async () => {
    const child = await holder();
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = acquireLock(path, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(waiting).rejects.toBe(reason);
    child.stdin.end();
    await once(child, "exit");
    const lock = await tryLock(path);
    expect(lock).toBeDefined();
    await lock?.release();
  });

  it("can be shared by readers, and then not be taken exclusively", async () => {
    const one = await acquireLock(path, { mode: "shared" });
    const two = await acquireLock(path, { mode: "shared" });
    expect(await tryLock(path)).toBeUndefined();
    await one.release();
    await two.release();
    await (await acquireLock(path)).release();
  });

  it("retired while others wait is taken by them on a new file", async () => {
    const first = await acquireLock(path);
    const waiting = acquireLock(path);
    await waitedFor();
    await first.retire();
    const second = await waiting;
    expect(existsSync(path)).toBe(true);
    expect(await tryLock(path)).toBeUndefined();
    await second.retire();
    expect(existsSync(path)).toBe(false);
  });

  it("is retired when its file is gone, and leaves another in its place", async () => {
    const first = await acquireLock(path);
    rmSync(path);
    await using _second = await acquireLock(path);
    await first.retire();
    expect(await tryLock(path)).toBeUndefined();
    const third = await acquireLock(join(folder, "other"));
    rmSync(join(folder, "other"));
    await third.retire();
  });

  it("is released when its block ends, and keeps or removes its file, as the option says", async () => {
    for (const retire of [false, true]) {
      {
        await using _lock = await acquireLock(path, { retire });
        expect(await tryLock(path)).toBeUndefined();
      }
      expect(existsSync(path)).toBe(!retire);
      await (await tryLock(path))?.release();
    }
  });
});
