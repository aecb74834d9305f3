import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { requires } from "../../../src/testing/requires.ts";
import { scriptedRoot } from "../scripted.ts";

it(
  "refuses to delete an instance below whose folder something is mounted, and takes no file of it",
  requires(["root"], async () => {
    const place = await scriptedRoot();
    const theirs = join(place.root, "..", "theirs");
    try {
      const host = await place.open();
      const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
      await mkdir(theirs);
      await writeFile(join(theirs, "precious"), "data");
      const below = join(place.folder("a"), "log");
      execFileSync("mount", ["--bind", theirs, below]);
      try {
        await expect(instance.delete()).rejects.toMatchObject({
          code: "ERR_HOST",
          missing: [{ need: `unmounted:${below}`, reason: "still mounted", fix: `umount ${below}` }],
        });
        expect(await readFile(join(theirs, "precious"), "utf8")).toBe("data");
      } finally {
        execFileSync("umount", [below]);
      }
      await instance.delete();
      expect(await readdir(join(place.root, "instances"))).toEqual([]);
    } finally {
      await place.dispose();
    }
  }),
);
