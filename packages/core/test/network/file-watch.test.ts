import { once } from "node:events";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileWatch } from "../../src/network/file-watch.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-file-watch-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("the watch of a file", () => {
  const refuse = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };

  it.each([
    ["by inotify", undefined],
    ["where the user has no inotify instance left", refuse("EMFILE")],
    ["where the user has no inotify watch left", refuse("ENOSPC")],
  ])("tells of a change: %s", async (_, open) => {
    const path = join(folder, "leases");
    await writeFile(path, "one\n");
    const watch = openFileWatch(path, open);
    try {
      const changed = once(watch.events, "change", { signal: AbortSignal.timeout(10_000) });
      await appendFile(path, "two\n");
      await changed;
    } finally {
      watch.close();
    }
    // Nor does it keep the process.
    expect(process.getActiveResourcesInfo()).not.toContain("StatWatcher");
  });

  it("fails for a file that is not there", () => {
    expect(() => openFileWatch(join(folder, "none"))).toThrow("ENOENT");
  });
});
