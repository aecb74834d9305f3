import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Instance, openHost } from "@pileus/core";
import { findKeeper, identifyProcess, readCgroupLayout, signalProcess, waitForEnd } from "@pileus/core/driver";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 300_000;
/** A machine that boots takes many seconds on a busy host. */
const READY = { timeout: 120_000 };
const soon = () => ({ signal: AbortSignal.timeout(READY.timeout) });

describe("the keeper of a machine", () => {
  let folder: string;
  let root: string;
  const open = () => openHost({ root, drivers: [qemu({ cache })] });
  const runFolder = join("names", "kept", "run");

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "pileus-qemu-keeper-"));
    root = join(folder, "host");
    await makeBusyboxRootfs(join(folder, "rootfs"));
    await warmCache();
  }, WARMING);
  afterAll(async () => {
    expect(await machinesOf(root)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  /** Runs a test with a machine that is up, in a host of its own. */
  const withMachine = (
    use: (
      vm: Instance<"exec" | "console" | "logs" | "reboot">,
      host: Awaited<ReturnType<typeof open>>,
    ) => Promise<void>,
  ) =>
    requires(MACHINE_NEEDS, async () => {
      await using host = await open();
      const image = await host.images.import(join(folder, "rootfs"));
      const config = { driver: "qemu", name: "kept", image, limits: { memory: "192MiB" } } as const;
      const vm = await host.create({ ...config, qemu: { rootSize: "64MiB" } });
      try {
        await vm.start();
        await vm.ready(READY);
        await use(vm, host);
      } finally {
        await using last = await open();
        await (await last.get("kept")).delete();
      }
    });
  const print = (vm: Instance<"exec">, words: string) => vm.run(["sh", "-c", `echo ${words} >/dev/console`]);

  it(
    "has one successor if it is killed, in all processes that hold the machine, over a reboot of the guest and to the end",
    { timeout: TIMEOUT },
    withMachine(async (vm) => {
      await using other = await open();
      const found = await other.get("kept", { driver: "qemu" });
      const { pid } = await found.inspect();
      const killed = await killKeeper(join(root, runFolder));
      let seen = "";
      const console = await vm.console();
      console.on("data", (bytes: Buffer) => {
        seen += bytes;
      });
      const shows = (words: string) => vi.waitFor(() => expect(seen).toContain(words), READY.timeout);
      await print(vm, "after-the-death");
      await shows("after-the-death");
      const log = await text(await found.logs());
      expect(log).toMatch(/init: up[\s\S]*the keeper of this log was killed[\s\S]*after-the-death/);
      seen = "";
      await vm.reboot(READY);
      await shows("init: up");
      const next = await findKeeper(join(root, runFolder));
      expect(next.state).toMatchObject({ program: pid, holder: killed.holder, boots: 1 });
      next.detach();
      await found.stop({ mode: "kill" });
      expect(await vm.wait()).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
    }),
  );

  it(
    "leaves the machine running when it is killed with the parent of QEMU, and says that its console is lost",
    { timeout: TIMEOUT },
    withMachine(async (vm) => {
      const { pid } = await vm.inspect();
      const keeper = await findKeeper(join(root, runFolder));
      const [holder, itself] = [keeper.state.holder, keeper.state.keeper];
      keeper.detach();
      for (const each of [itself, holder]) await end(each);
      await vi.waitFor(() => expect(vm.can("console")).toBe(false), 20_000);
      await expect(vm.console()).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
      expect((await vm.run(["echo", "here"])).stdout).toBe("here\n");
      await using other = await open();
      const found = await other.get("kept", { driver: "qemu" });
      expect((await found.inspect()).pid).toBe(pid);
      expect((await found.run(["true"])).exitCode).toBe(0);
      expect(found.can("console")).toBe(false);
      await vm.stop({ mode: "kill" });
      expect((await vm.wait()).status).toBeUndefined();
    }),
  );

  it(
    "does not answer when a process finds the machine, which has its console and its end as soon as it does",
    { timeout: TIMEOUT },
    withMachine(async (_, host) => {
      const keeper = await findKeeper(join(root, runFolder));
      const identity = await identifyProcess(keeper.state.keeper);
      keeper.detach();
      if (identity === undefined) throw new Error("the keeper has ended");
      await host[Symbol.asyncDispose]();
      await signalProcess(identity, "SIGSTOP");
      await using other = await open();
      const found = await other.get("kept", { driver: "qemu" });
      expect((await found.run(["echo", "here"])).stdout).toBe("here\n");
      await expect(found.console()).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
      await signalProcess(identity, "SIGCONT");
      let seen = "";
      const console = await found.console();
      console.on("data", (bytes: Buffer) => {
        seen += bytes;
      });
      await print(found, "after-the-hang");
      await vi.waitFor(() => expect(seen).toContain("after-the-hang"), READY.timeout);
      expect(await text(await found.logs())).toContain("after-the-hang");
      await end(identity.pid);
      // It has a successor because the process holds it.
      await vi.waitFor(async () => (await findKeeper(join(root, runFolder))).detach(), 20_000);
      await found.stop({ mode: "kill" });
      expect(await found.wait()).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
    }),
  );

  it(
    "records the end of a machine while no process holds it: a guest that halts, its use of resources, and QEMU killed for want of memory",
    { timeout: TIMEOUT },
    withMachine(async (vm, host) => {
      const run = join(root, runFolder);
      await vm.run(["poweroff", "-f"]).catch(() => undefined);
      const halted = await vm.wait(soon());
      expect(halted).toMatchObject({ reason: "program", status: { kind: "exited", code: 0 }, oom: false });
      expect(halted.usage?.cpuSeconds).toBeGreaterThan(0.1);
      expect(halted.usage?.memoryPeakBytes).toBeGreaterThan(2 ** 26);
      expect(halted.finishedAt).toBeGreaterThan(halted.startedAt as number);

      await vm.start();
      const { pid } = await vm.inspect();
      await host[Symbol.asyncDispose]();
      await limitMemory(pid ?? 0);
      await vi.waitFor(() => expect(readFile(join(run, "exit"))).resolves.toBeDefined(), 60_000);
      await using other = await open();
      const killed = await (await other.get("kept", { driver: "qemu" })).wait(soon());
      expect(killed).toMatchObject({ reason: "program", status: { kind: "signaled", signal: "SIGKILL" }, oom: true });
    }),
  );
});

/** Kills the keeper of a run, and waits until its successor answers. */
async function killKeeper(run: string) {
  const keeper = await findKeeper(run);
  const { state } = keeper;
  keeper.detach();
  await end(state.keeper);
  await vi.waitFor(async () => {
    const next = await findKeeper(run);
    expect(next.state.keeper).not.toBe(state.keeper);
    next.detach();
  }, 20_000);
  return state;
}

async function end(pid: number): Promise<void> {
  const identity = await identifyProcess(pid);
  if (identity === undefined) throw new Error(`process ${pid} has ended`);
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
}

/** Leaves the cgroup of a QEMU that boots a guest less memory than that will need. */
async function limitMemory(pid: number): Promise<void> {
  const layout = readCgroupLayout();
  const cgroup = layout.folderOf(await readFile(`/proc/${pid}/cgroup`, "utf8"), "memory") ?? "";
  const [usage, limit] =
    layout.controller("memory")?.version === 1
      ? ["memory.usage_in_bytes", "memory.limit_in_bytes"]
      : ["memory.current", "memory.max"];
  const used = Number(await readFile(join(cgroup, usage), "utf8"));
  await writeFile(join(cgroup, limit), String(used + 8 * 2 ** 20));
}
