import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { lxc } from "../src/index.ts";
import { subject } from "./support/lxc-subject.ts";

const MEBIBYTES = Number(process.env["PILEUS_LONG"] ?? 60);
const [FILES, FILE_SIZE] = [4, 16 * 2 ** 20];

it(
  "keeps the end of a console that has printed more than a log may take on disk, over a restart, too",
  { timeout: 120_000 },
  requires(subject.needs ?? [], async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-console-"));
    const host = await openHost({ root, drivers: [lxc()] });
    try {
      const instance = await host.create({ driver: "lxc", name: "long", image: await subject.image(host) });
      await instance.start();
      const script = `yes "$(printf %063d 7)" | head -c ${MEBIBYTES << 20} >/dev/console; echo the end >/dev/console`;
      await instance.run(["sh", "-c", script], { check: true });
      const printed = () => instance.logs({ stream: "console" }).then(text);
      await vi.waitFor(async () => expect((await printed()).slice(-20)).toContain("the end"), 60_000);
      const log = await printed();
      expect(log).toContain(`\n${"7".padStart(63, "0")}\r\n`);
      expect(log.length).toBeGreaterThan(FILES * FILE_SIZE * 0.4);
      const instances = join(root, "instances");
      const files = (await readdir(instances, { recursive: true })).filter((path) => /output\.log(\.\d)?$/.test(path));
      const sizes = await Promise.all(files.map(async (path) => (await stat(join(instances, path))).size));
      expect(sizes.length).toBe(FILES);
      for (const size of sizes) expect(size).toBeLessThanOrEqual(FILE_SIZE);
      await instance.restart({ mode: "kill" });
      await vi.waitFor(async () => expect(await printed()).toMatch(/init: up/), 60_000);
      expect((await printed()).length).toBeLessThan(1000);
      await instance.delete();
    } finally {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    }
  }),
);
