import { rm } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type Instance, openHost } from "@pileus/core";
import {
  findKeeper,
  identifyProcess,
  isAlive,
  livingKeeper,
  openKeeperStream,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it, vi } from "vitest";
import { lxc } from "../src/index.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();
const runFolder = (name: string) => `${fixture.root}/names/${name}/run`;

async function keeperOf(name: string): Promise<ProcessIdentity> {
  const found = await livingKeeper(runFolder(name));
  if (found === undefined) throw new Error("there is no keeper");
  return found;
}

/** Kills the keeper of a run, and waits until its successor answers. */
async function killKeeper(name: string): Promise<void> {
  const keeper = await findKeeper(runFolder(name));
  const identity = await identifyProcess(keeper.state.keeper);
  if (identity === undefined) throw new Error("the keeper has ended");
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
  keeper.detach();
  await vi.waitFor(async () => {
    const next = await findKeeper(runFolder(name));
    expect(next.state.keeper).not.toBe(identity.pid);
    next.detach();
  }, 10_000);
}

const says = async (instance: Instance<"exec">) => (await instance.run(["echo", "here"])).stdout;

describe("the keeper of a container", () => {
  it(
    "has one successor if it is killed, in all processes that hold the instance, over a reboot inside and to the end",
    requires(NEEDS, async () => {
      const { host, root, image } = fixture;
      const box = await host.create({ driver: "lxc", name: "kept", image });
      await box.start();
      const other = await openHost({ root, drivers: [lxc()] });
      try {
        const found = await other.get("kept", { driver: "lxc" });
        expect(await says(found)).toBe("here\n");
        const { pid } = await box.inspect();
        await killKeeper("kept");
        await box.run(["sh", "-c", "echo after the death >/dev/console"]);
        await vi.waitFor(async () => expect(await text(await box.logs())).toContain("after the death"), 10_000);
        expect((await box.inspect()).pid).toBe(pid);
        await box.reboot({ timeout: 30_000 });
        expect((await box.inspect()).pid).not.toBe(pid);
        expect([await says(box), await says(found)]).toEqual(["here\n", "here\n"]);
        await found.stop({ mode: "kill" });
        expect(await box.wait()).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
      } finally {
        await other[Symbol.asyncDispose]();
      }
      await box.delete();
    }),
  );

  it(
    "shows the console with its history, takes input from one writer, and passes on the size of the terminal",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using box = await host.ephemeral({ driver: "lxc", name: "console", image });
      const stream = await openKeeperStream(runFolder("console"));
      const size = async () => (await box.run(["sh", "-c", "stty size </dev/console"])).stdout;
      expect(await size()).toBe("24 80\n");
      stream.resize({ columns: 132, rows: 50 });
      await vi.waitFor(async () => expect(await size()).toBe("50 132\n"), 10_000);
      await box.run(["sh", "-c", "echo line one >/dev/console"]);
      let seen = "";
      for await (const bytes of stream) {
        seen += bytes;
        if (seen.includes("line one\r\n")) break;
      }
      expect(seen).toMatch(/^init: up\r\n/);
    }),
  );

  it(
    "is found again when somebody has removed its socket, and is not taken for dead when it does not answer",
    requires(NEEDS, async () => {
      const { host, root, image } = fixture;
      const box = await host.create({ driver: "lxc", name: "unreachable", image });
      await box.start();
      const before = await keeperOf("unreachable");
      await rm(`${runFolder("unreachable")}/keeper.sock`);
      const other = await openHost({ root, drivers: [lxc()] });
      let successor: ProcessIdentity;
      try {
        expect(await says(await other.get("unreachable", { driver: "lxc" }))).toBe("here\n");
        successor = await keeperOf("unreachable");
        expect(successor.pid).not.toBe(before.pid);
        expect(await isAlive(before)).toBe(false);
        expect(await says(box)).toBe("here\n");
      } finally {
        await other[Symbol.asyncDispose]();
      }
      const third = await openHost({ root, drivers: [lxc()] });
      await signalProcess(successor, "SIGSTOP");
      try {
        const found = await third.get("unreachable", { driver: "lxc" });
        await expect(found.run(["true"], { timeout: 20_000 })).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
        await expect(box.logs()).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
        await expect(box.console()).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
        expect(await says(box)).toBe("here\n");
        await signalProcess(successor, "SIGCONT");
        expect(await says(found)).toBe("here\n");
        expect(await keeperOf("unreachable")).toEqual(successor);
      } finally {
        await signalProcess(successor, "SIGCONT");
        await third[Symbol.asyncDispose]();
      }
      await box.delete();
    }),
  );

  it(
    "leaves no status of an earlier boot for the end of the run",
    requires(NEEDS, async () => {
      const { host, root, image } = fixture;
      const box = await host.create({ driver: "lxc", name: "again", image });
      await box.start();
      await box.reboot({ timeout: 30_000 });
      const { pid = 0 } = await box.inspect();
      const keeper = await findKeeper(runFolder("again"));
      const processes = await Promise.all([keeper.state.keeper, keeper.state.holder].map(identifyProcess));
      keeper.detach();
      await host[Symbol.asyncDispose]();
      for (const each of processes) if (each !== undefined) await signalProcess(each, "SIGKILL");
      for (const each of processes) if (each !== undefined) await waitForEnd(each);
      const init = await identifyProcess(pid);
      if (init !== undefined) await signalProcess(init, "SIGKILL");
      await fixture.reopen();
      const found = await fixture.host.get("again");
      expect((await found.inspect()).exit).toMatchObject({ reason: "lost" });
      expect((await found.inspect()).exit?.status).toBeUndefined();
      await found.delete();
      expect(root).toBe(fixture.root);
    }),
  );
});
