import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { identifyProcess, readCgroupLayout, signalProcess } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it, type TestContext } from "vitest";
import { thawIfThere } from "../src/freezer.ts";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";

const freezerOf = (pid: number) =>
  readCgroupLayout().folderOf(readFileSync(`/proc/${pid}/cgroup`, "utf8"), "freezer") ?? "";

/**
 * Keeps PID 1 in the middle of its end, out of its cgroups, until the returned function is called: it waits for a child
 * that does not die.
 */
async function holdInItsEnd(pid: number): Promise<() => void> {
  const [child = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  const container = freezerOf(pid);
  const stuck = join(container, "stuck");
  mkdirSync(stuck);
  writeFileSync(join(stuck, "cgroup.procs"), child);
  writeFileSync(join(stuck, "freezer.state"), "FROZEN");
  while (readFileSync(join(stuck, "freezer.state"), "utf8") !== "FROZEN\n");
  const init = await identifyProcess(pid);
  if (init === undefined) throw new Error("it does not run");
  await signalProcess(init, "SIGKILL");
  while (freezerOf(pid) === container);
  return () => thawIfThere(stuck);
}

it(
  "finds a container that is ending as running, and learns of its end",
  requires<TestContext>(subject.needs ?? [], async (context) => {
    if (readCgroupLayout().controller("freezer")?.version !== 1) context.skip("needs cgroup version 1");
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-dying-"));
    const host = await openHost({ root, drivers: [lxc()] });
    try {
      const config = { driver: "lxc", name: "dying", image: await subject.image(host) } as const;
      const instance = await host.create({ ...config, lxc: { init: ["sh", "-c", "sleep 2147483647 & wait"] } });
      await instance.start();
      const letEnd = await holdInItsEnd((await instance.inspect()).pid ?? 0);
      const other = await openHost({ root, drivers: [lxc()] });
      try {
        const found = await other.get("dying");
        const { state, error } = await found.inspect();
        expect([state, error]).toEqual(["running", undefined]);
        const end = found.wait();
        letEnd();
        expect(await end).toMatchObject({ reason: "program", status: { kind: "signaled", signal: "SIGKILL" } });
      } finally {
        letEnd();
        await other[Symbol.asyncDispose]();
        await instance.delete();
      }
      expect(await leftovers(root)).toEqual([]);
    } finally {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    }
  }),
);
