import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { identifyProcess } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { QmpClient } from "../src/qmp/index.ts";
import { QemuRunning } from "../src/running.ts";
import { FakeMonitor } from "./support/fake-monitor.ts";
import { makeInstance } from "./support/instance.ts";

interface Machine extends AsyncDisposable {
  readonly running: QemuRunning;
  readonly monitor: FakeMonitor;
  readonly child: ChildProcess;
}

/** A run whose QEMU is a sleeping process beside a scripted monitor, in a guest without an agent. */
async function startMachine(): Promise<Machine> {
  let status = "running";
  const monitor = await FakeMonitor.start(({ execute }) => {
    if (execute === "stop") status = "paused";
    if (execute === "cont") status = "running";
    return execute === "query-status" ? { status, running: status === "running" } : {};
  });
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  const identity = await identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error("the stand-in did not start");
  const instance = await makeInstance();
  const qmp = await QmpClient.connect(monitor.path);
  const running = new QemuRunning({ instance: instance.context, identity, qmp, agent: undefined });
  return {
    running,
    monitor,
    child,
    async [Symbol.asyncDispose]() {
      await running.detach();
      child.kill("SIGKILL");
      await monitor[Symbol.asyncDispose]();
      await instance[Symbol.asyncDispose]();
    },
  };
}

it("settles exited when the process has ended and its monitor with it", async () => {
  await using machine = await startMachine();
  await machine.running.kill();
  await once(machine.child, "exit");
  machine.monitor.hangUp();
  expect(await machine.running.exited).toBeUndefined();
});

it("freezes, tells that it is frozen, and unfreezes", async () => {
  await using machine = await startMachine();
  expect(await machine.running.isFrozen({})).toBe(false);
  await machine.running.freeze();
  expect(await machine.running.isFrozen({})).toBe(true);
  await machine.running.unfreeze();
  expect(await machine.running.isFrozen({})).toBe(false);
});

it("presses the power button of a guest without an agent", async () => {
  await using machine = await startMachine();
  await machine.running.shutdown({});
  expect(machine.monitor.received.map(({ execute }) => execute)).toContain("system_powerdown");
});

it("says that exec, files and network are lacking where there is no agent, and is ready at once", async () => {
  await using machine = await startMachine();
  await machine.running.ready({});
  for (const capability of ["exec", "files", "network"] as const) {
    expect(machine.running.lacks(capability)).toContain("without our agent");
  }
  expect(machine.running.lacks("freeze")).toBeUndefined();
});

it("gives figures of its process, frozen too", async () => {
  await using machine = await startMachine();
  await machine.running.freeze();
  const { cpu, memory } = await machine.running.metrics();
  expect(cpu.usage).toBeGreaterThanOrEqual(0);
  expect(memory.usage).toBeGreaterThan(0);
  expect(memory.limit).toBe(512 * 2 ** 20);
});

it("leaves the machine running when it is detached, and never settles exited then", async () => {
  await using machine = await startMachine();
  await machine.running.detach();
  const settled = await Promise.race([machine.running.exited.then(() => "settled"), Promise.resolve("pending")]);
  expect(settled).toBe("pending");
  expect(machine.child.exitCode).toBeNull();
});
