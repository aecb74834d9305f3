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

/** Another process that has a host on the root and holds the run of the instance. */
async function watcherOf(root: string, name: string) {
  const script = fileURLToPath(new URL("support/watch-end.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=@pileus/source", script, root, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const nextLine = async () => (await lines.next()).value;
  expect(await nextLine()).toBe("watching");
  return { child, exit, nextLine };
}

it.for(["launched", "found"] as const)(
  "leaves the next run alone when a process that %s the previous one learns late of its end",
  (how, context) =>
    requires(subject.needs ?? [], async () => {
      const root = await mkdtemp(join(tmpdir(), "pileus-lxc-late-"));
      const host = await openHost({ root, drivers: [lxc()] });
      try {
        const instance = await host.create({ driver: "lxc", name: "late", image: await subject.image(host) });
        if (how === "found") await instance.start();
        const { child, exit, nextLine } = await watcherOf(root, "late");
        try {
          child.kill("SIGSTOP");
          await instance.restart({ mode: "kill" });
          const { pid } = await instance.inspect();
          child.kill("SIGCONT");
          expect(await nextLine()).toBe("over");
          expect(await leftovers(root)).toContainEqual(expect.stringMatching(/^mount .*\/rootfs$/));
          expect((await instance.run(["echo", "here"])).stdout).toBe("here\n");
          expect(await instance.inspect()).toMatchObject({ state: "running", pid });
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
    })(context),
);
