import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { requires } from "../../../src/testing/requires.ts";
import { MEMORY, MIB, updating } from "./updating.ts";

const { place, open, started, recordOf, limitOf } = updating();
const READ_ONLY = { code: "ERR_HOST", missing: [{ need: "writable" }] };

const mounts: string[] = [];
function mount(folder: string, mode: "ro" | "rw") {
  execFileSync("mount", ["--bind", folder, folder]);
  mounts.unshift(folder);
  execFileSync("mount", ["-o", `remount,bind,${mode}`, folder]);
}
function unmount() {
  for (const folder of mounts.splice(0)) execFileSync("umount", [folder]);
}
afterEach(unmount);

/** What cannot be written: the record, the manifest in the folder of the run, or both. */
const PARTS = {
  record: (folder: string) => {
    mount(folder, "ro");
    mount(join(folder, "run"), "rw");
  },
  manifest: (folder: string) => mount(join(folder, "run"), "ro"),
  both: (folder: string) => mount(folder, "ro"),
};

const folderOf = () => realpathSync(join(place.root, "names/box"));
const manifestOf = async () => JSON.parse(await readFile(join(folderOf(), "run/run.json"), "utf8")).config.limits;

describe.each(Object.entries(PARTS))("an update that cannot write: %s", (part, protect) => {
  it(
    "from its beginning changes nothing",
    requires(["root"], async () => {
      const box = await started();
      const before = [await box.inspect(), await recordOf("box"), await manifestOf()];
      protect(folderOf());
      await expect(box.update(MEMORY)).rejects.toMatchObject(READ_ONLY);
      unmount();
      expect([await box.inspect(), await recordOf("box"), await manifestOf()]).toEqual(before);
      expect(await limitOf(box)).toBe(32 * MIB);
      await box.update(MEMORY);
      expect(await limitOf(box)).toBe(64 * MIB);
    }),
  );

  it(
    "from the step of the driver on takes the step back, and the next process makes record and run agree",
    requires(["root"], async () => {
      let calls = 0;
      const box = await started(() => {
        calls += 1;
        if (calls === 1) protect(folderOf());
      });
      await expect(box.update(MEMORY)).rejects.toMatchObject(READ_ONLY);
      expect([calls, await limitOf(box), await manifestOf()]).toEqual([2, 32 * MIB, { memory: { limit: 32 * MIB } }]);
      // A look does no harm meanwhile.
      expect(await box.state()).toBe("running");
      unmount();
      const other = (await (await open()).get("box")) as typeof box;
      const { config } = await other.inspect();
      // Who could not record what was, finds what it had recorded before.
      expect(config.limits.memory?.limit).toBe(part === "manifest" ? 32 * MIB : 64 * MIB);
      expect(await limitOf(other)).toBe(config.limits.memory?.limit);
      expect(await manifestOf()).toEqual(config.limits);
      const { generation, applied } = await recordOf("box");
      expect(applied).toBe(generation);
    }),
  );
});
