import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import { programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();
const MEBIBYTES = Number(process.env["PILEUS_LONG"] ?? 60);
const [FILES, FILE_SIZE] = [4, 16 * 2 ** 20];

it(
  "keeps the end of an output that is longer than a log may take on disk",
  real(async () => {
    const script = `yes "$(printf %063d 7)" | head -c ${MEBIBYTES << 20}; echo the end; echo little >&2; sleep 1000`;
    await fixture.using(sh(script), async (instance) => {
      await instance.start();
      const printed = () => instance.logs({ stream: "stdout" }).then(text);
      await vi.waitFor(async () => expect((await printed()).slice(-20)).toContain("the end"), 60_000);
      const instances = join(fixture.folder, "root/instances");
      const files = (await readdir(instances, { recursive: true })).filter((path) => /output\.log(\.\d)?$/.test(path));
      const sizes = await Promise.all(files.map(async (path) => (await stat(join(instances, path))).size));
      expect(sizes.length).toBe(FILES);
      for (const size of sizes) expect(size).toBeLessThanOrEqual(FILE_SIZE);
      const log = await printed();
      expect(log.length).toBeGreaterThan(FILES * FILE_SIZE * 0.4);
      expect(log.endsWith("7\nthe end\n")).toBe(true);
      const removed = "[pileus: what was printed before was removed, to keep this log to its size]\n";
      expect(await instance.logs({ stream: "stderr" }).then(text)).toBe(`${removed}little\n`);
    });
  }),
);
