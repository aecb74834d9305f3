import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";

it(
  "survives when another process deletes a container while this one is busy, and notices it",
  requires(subject.needs ?? [], async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-busy-"));
    const host = await openHost({ root, drivers: [lxc()] });
    try {
      const instance = await host.create({ driver: "lxc", name: "busy", image: await subject.image(host) });
      const script = fileURLToPath(new URL("support/hold-loop.ts", import.meta.url));
      const argv = ["--import", "tsx", "--conditions=@pileus/source", script, root, "busy"];
      const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
      const exit = once(child, "exit");
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      try {
        expect((await lines.next()).value).toBe("holding");
        await instance.delete();
        expect((await lines.next()).value).toBe("deleted deleted");
        expect(await exit).toEqual([0, null]);
      } finally {
        child.kill("SIGKILL");
        await exit;
        await instance.delete();
      }
      expect(await leftovers(root)).toEqual([]);
    } finally {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    }
  }),
);
