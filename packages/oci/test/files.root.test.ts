import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { programFixture, real } from "./support/program-fixture.ts";

const fixture = programFixture();

describe("files of an application container", () => {
  it(
    "belong to its user by default, and keep the owner that they have",
    real(async () => {
      const host = await mkdtemp(join(tmpdir(), "pileus-oci-files-"));
      try {
        await writeFile(join(host, "f"), "");
        await fixture.using({}, async (instance) => {
          await instance.start();
          const { files } = instance;
          const owner = async (path: string) => {
            const { uid, gid } = await files.stat(path);
            return [uid, gid];
          };
          await files.mkdir("/tmp/a/b", { recursive: true });
          await files.writeText("/tmp/a/f", "");
          await files.push(host, "/tmp/a/pushed");
          for (const path of ["/tmp/a", "/tmp/a/b", "/tmp/a/f", "/tmp/a/pushed", "/tmp/a/pushed/f"])
            expect(await owner(path), path).toEqual([1000, 1000]);
          await files.writeText("/tmp/a/root", "", { uid: 0, gid: 0 });
          await files.writeText("/tmp/a/root", "again");
          expect(await owner("/tmp/a/root")).toEqual([0, 0]);
          await files.push(join(host, "f"), "/tmp/a/other", { uid: 7 });
          expect(await owner("/tmp/a/other")).toEqual([7, 1000]);
        });
      } finally {
        await rm(host, { recursive: true, force: true });
      }
    }),
  );
});
