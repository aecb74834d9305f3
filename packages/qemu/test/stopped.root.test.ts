import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { identifyProcess, type ProcessIdentity, signalProcess } from "@pileus/core/driver";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 300_000;
const READY = { timeout: 120_000 };

let folder: string;
let root: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-qemu-stopped-"));
  root = join(folder, "host");
  await makeBusyboxRootfs(join(folder, "rootfs"));
  await warmCache();
}, WARMING);
afterAll(async () => {
  expect(await machinesOf(root)).toEqual([]);
  await rm(folder, { recursive: true });
});

const open = () => openHost({ root, drivers: [qemu({ cache })] });
type Host = Awaited<ReturnType<typeof open>>;

/** A machine that is up, in a host of its own, with the process of its QEMU. */
async function startMachine(host: Host) {
  const image = await host.images.import(join(folder, "rootfs"));
  const config = { driver: "qemu", name: "stopped", image, limits: { memory: "192MiB" } } as const;
  const vm = await host.create({ ...config, qemu: { rootSize: "64MiB" } });
  await vm.start();
  await vm.ready(READY);
  const process = await identifyProcess((await vm.inspect()).pid ?? 0);
  if (process === undefined) throw new Error("nothing runs");
  return { vm, image, process };
}

async function remove(process: ProcessIdentity | undefined): Promise<void> {
  if (process !== undefined) await signalProcess(process, "SIGCONT");
  await using last = await open();
  await (await last.get("stopped")).delete();
}

it(
  "a QEMU that is stopped in the middle of a call lets each end in time, and does nothing later that was given up",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, async () => {
    await using host = await open();
    const { vm, process } = await startMachine(host);
    try {
      await signalProcess(process, "SIGSTOP");
      const enough = new Error("enough");
      const given = new AbortController();
      const exec = vm.exec(["true"], { signal: given.signal });
      const frozen = vm.freeze({ signal: given.signal });
      // Freezing asks the guest first, which does not answer in five seconds.
      const asked = setTimeout(() => given.abort(enough), 7000);
      await expect(exec).rejects.toBe(enough);
      await expect(frozen).rejects.toThrow();
      clearTimeout(asked);
      await signalProcess(process, "SIGCONT");
      expect((await vm.run(["echo", "here"])).stdout).toBe("here\n");
      expect(await vm.state()).toBe("running");
      await signalProcess(process, "SIGSTOP");
      await expect(vm.stop({ timeout: 500 })).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
      await vm.stop({ mode: "kill" });
      expect(await vm.wait()).toMatchObject({ status: { kind: "signaled", signal: "SIGKILL" } });
    } finally {
      await remove(process);
    }
  }),
);

it(
  "a QEMU that is stopped when a process finds it delays nothing else, and not the end of that process",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, async () => {
    const host = await open();
    const { image, process } = await startMachine(host);
    await host[Symbol.asyncDispose]();
    try {
      await signalProcess(process, "SIGSTOP");
      for (const wait of [0, 300, 2000]) {
        const hasty = await open();
        const running = (await hasty.get("stopped", { driver: "qemu" })).run(["true"]);
        const failure = expect(running).rejects.toMatchObject({ code: "ERR_CONNECTION" });
        // Not for anything: these are moments of an adoption that hangs, of which nobody is told.
        await new Promise((resolve) => setTimeout(resolve, wait));
        await hasty[Symbol.asyncDispose]();
        await failure;
      }
      await using other = await open();
      const found = await other.get("stopped", { driver: "qemu" });
      let isFound = false;
      const state = found.state().finally(() => {
        isFound = true;
      });
      expect(await other.list()).toHaveLength(1);
      const neighbor = await other.create({ driver: "qemu", name: "neighbor", image, qemu: { rootSize: "64MiB" } });
      expect(await neighbor.state()).toBe("stopped");
      await neighbor.delete();
      expect(isFound).toBe(false);
      expect(await state).toBe("running");
      await expect(found.freeze()).rejects.toMatchObject({ code: "ERR_CONNECTION" });
      await signalProcess(process, "SIGCONT");
      expect((await found.run(["echo", "here"])).stdout).toBe("here\n");
      await found.stop({ mode: "kill" });
    } finally {
      await remove(process);
    }
  }),
);
