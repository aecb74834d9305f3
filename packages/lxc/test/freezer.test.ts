import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Freezer, isFrozen, isFrozenIfThere, setFrozen } from "../src/freezer.ts";

// Plain files stand for the cgroup: inotify(7) reports both alike. The test writes the answers of the kernel.
describe("the freezer of cgroup version 2", () => {
  let freezer: Freezer;
  const kernelSays = (frozen: 0 | 1) =>
    writeFileSync(join(freezer.folder, "cgroup.events"), `populated 1\nfrozen ${frozen}\n`);
  const asked = () => readFileSync(join(freezer.folder, "cgroup.freeze"), "utf8");

  beforeEach(() => {
    freezer = { version: 2, folder: mkdtempSync(join(tmpdir(), "pileus-freezer-")) };
    kernelSays(0);
  });
  afterEach(() => rmSync(freezer.folder, { recursive: true }));

  it("requests the freeze, and resolves when the kernel reports that every process is frozen", async () => {
    let done = false;
    const frozen = setFrozen(freezer, true).then(() => {
      done = true;
    });
    expect(asked()).toBe("1");
    await new Promise(setImmediate);
    expect(done).toBe(false);
    kernelSays(1);
    await frozen;
    expect(isFrozen(freezer)).toBe(true);
  });

  it("continues to wait when something else in the group has changed", async () => {
    let done = false;
    const frozen = setFrozen(freezer, true).then(() => {
      done = true;
    });
    // This watch began earlier, so it sees the same change first.
    const watcher = watch(join(freezer.folder, "cgroup.events"));
    const told = once(watcher, "change");
    kernelSays(0);
    await told;
    watcher.close();
    await new Promise(setImmediate);
    expect(done).toBe(false);
    kernelSays(1);
    await frozen;
  });

  it("resolves at once if it is already in the requested state", async () => {
    await setFrozen(freezer, false);
    expect(asked()).toBe("0");
  });
});

describe.each([1, 2] as const)("a freeze by cgroup version %d", (version) => {
  it("rejects with the reason of an abort", async () => {
    const freezer: Freezer = { version, folder: mkdtempSync(join(tmpdir(), "pileus-freezer-")) };
    try {
      // A kernel that never says that it is frozen.
      writeFileSync(join(freezer.folder, "cgroup.events"), "populated 1\nfrozen 0\n");
      if (version === 1) symlinkSync("/dev/null", join(freezer.folder, "freezer.state"));
      const controller = new AbortController();
      const frozen = setFrozen(freezer, true, { signal: controller.signal });
      controller.abort("enough");
      await expect(frozen).rejects.toBe("enough");
    } finally {
      rmSync(freezer.folder, { recursive: true });
    }
  });
});

it.each([1, 2] as const)("is not frozen if the cgroup of version %d is gone", (version) => {
  expect(isFrozenIfThere({ version, folder: "/sys/fs/cgroup/pileus-gone" })).toBe(false);
});
