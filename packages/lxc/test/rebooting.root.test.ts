import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";

/** Each round finds the container at another point of its reboot. */
const ROUNDS = 5;

it(
  "finds a container that always reboots as running, and kills it permanently",
  requires(subject.needs ?? [], async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-rebooting-"));
    const host = await openHost({ root, drivers: [lxc()] });
    try {
      const config = { driver: "lxc", name: "loop", image: await subject.image(host) } as const;
      const instance = await host.create({ ...config, lxc: { init: ["sh", "-c", "exec reboot -f"] } });
      for (let round = 0; round < ROUNDS; round += 1) {
        await instance.start();
        const other = await openHost({ root, drivers: [lxc()] });
        try {
          const found = await other.get("loop");
          await found.stop({ mode: "kill" });
          expect((await found.inspect()).exit).toMatchObject({ reason: "requested" });
        } finally {
          await other[Symbol.asyncDispose]();
        }
        expect(await instance.inspect()).toMatchObject({ state: "stopped", exit: { reason: "requested" } });
      }
      await instance.start();
      await instance.delete();
      expect(await leftovers(root)).toEqual([]);
    } finally {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    }
  }),
);
