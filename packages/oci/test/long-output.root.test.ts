import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { LOG_KEPT } from "@pileus/core/driver";
import { expect, it, vi } from "vitest";
import { programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();
const MEBIBYTES = Number(process.env["PILEUS_LONG"] ?? 40);

it(
  "keeps the end of an output that is longer than a log may take on disk",
  real(async () => {
    const script = `yes "$(printf %063d 7)" | head -c ${MEBIBYTES << 20}; echo the end; echo little >&2; sleep 1000`;
    await fixture.using(sh(script), async (instance) => {
      await instance.start();
      const printed = () => instance.logs("stdout").then(text);
      await vi.waitFor(async () => expect((await printed()).slice(-20)).toContain("the end"), 60_000);
      const [file = ""] = (await readdir(fixture.folder, { recursive: true })).filter((path) =>
        path.endsWith("stdout.log"),
      );
      const onDisk = async () => (await stat(join(fixture.folder, file))).blocks * 512;
      await expect.poll(onDisk, { timeout: 30_000 }).toBeLessThanOrEqual(2 * LOG_KEPT);
      const log = await printed();
      expect(log.length).toBeGreaterThan(LOG_KEPT - 64);
      expect(log).not.toContain("\0");
      expect(log.endsWith("7\nthe end\n")).toBe(true);
      expect(await instance.logs("stderr").then(text)).toBe("little\n");
    });
  }),
);
