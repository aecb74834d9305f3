import type { AgentClient } from "@pileus/agent";
import { CommonConfigSchema, ConfigError, ConnectionError, StateError } from "@pileus/core";
import type { InstanceConfig } from "@pileus/core/driver";
import { expect, it, vi } from "vitest";
import { useCpus } from "../src/cpu-plug.ts";
import { changeSize } from "../src/live-size.ts";
import { resizeMemory } from "../src/memory-growth.ts";
import { QmpClient } from "../src/qmp/index.ts";
import { type FakeCommand, FakeMonitor } from "./support/fake-monitor.ts";

const MIB = 2 ** 20;
const room = { memory: { base: 256 * MIB, max: 1024 * MIB }, cpus: { max: 4 } };

interface GuestOptions {
  /** How the guest answers a request for memory: the sizes that it has one after the other. */
  readonly obeys?: (requested: number) => readonly number[];
  readonly frozen?: boolean;
}

/** A QEMU whose guest takes what it is given. */
async function startGuest({ obeys = (requested) => [requested], frozen = false }: GuestOptions = {}) {
  let [requested, size] = [0, 0];
  const plugged: unknown[] = [];
  const place = (core: number) => ({
    type: "max-x86_64-cpu",
    props: { "core-id": core, "thread-id": 0, "socket-id": 0 },
    ...(core <= plugged.length && { "qom-path": `/machine/${core}` }),
  });
  const script = (command: FakeCommand, self: FakeMonitor) => {
    const { execute, arguments: given } = command;
    if (execute === "query-status") return { status: frozen ? "paused" : "running", running: !frozen };
    if (execute === "qom-get") return given["property"] === "size" ? size : requested;
    if (execute === "query-hotpluggable-cpus") return [place(3), place(1), place(2), place(0)];
    if (execute === "query-cpus-fast")
      return Array.from({ length: 1 + plugged.length }, (_, index) => ({ "cpu-index": index, "thread-id": index }));
    if (execute === "device_add") plugged.push(given);
    if (execute !== "qom-set") return {};
    requested = given["value"] as number;
    const steps = obeys(requested);
    setImmediate(() => {
      for (size of steps) self.event("MEMORY_DEVICE_SIZE_CHANGE", { id: "growth", size, "qom-path": "/x" });
    });
    return {};
  };
  const monitor = await FakeMonitor.start(script);
  const qmp = await QmpClient.connect(monitor.path);
  const exec = vi.fn(async () => ({ exit: Promise.resolve({ kind: "exited", code: 0 }), kill: async () => undefined }));
  const agent = { exec } as unknown as AgentClient;
  return {
    qmp,
    exec,
    plugged,
    monitor,
    requests: () =>
      monitor.received.flatMap(({ execute, arguments: { value } }) => (execute === "qom-set" ? [value] : [])),
    change: (before: object, after: object) =>
      changeSize(
        { name: "vm", room, qmp, agent: async () => agent },
        { before: config(before), after: config(after) },
        {},
      ),
    async [Symbol.asyncDispose]() {
      await qmp.close();
      await monitor[Symbol.asyncDispose]();
    },
  };
}

function config(limits: object): InstanceConfig {
  return CommonConfigSchema.parse({ name: "vm", driver: "qemu", image: "debian", limits });
}

it("waits until the guest has taken the last block, and rounds up to whole blocks", async () => {
  await using guest = await startGuest({ obeys: (requested) => [requested / 2] });
  const done = vi.fn();
  const growing = guest.change({ memory: "256MiB" }, { memory: 511 * MIB + 1 }).then(done);
  await vi.waitFor(() => expect(guest.requests()).toEqual([256 * MIB]), 10_000);
  // Its answer comes after the event of the first half.
  await guest.qmp.execute("query-status");
  await new Promise(setImmediate);
  expect(done).not.toHaveBeenCalled();
  guest.monitor.event("MEMORY_DEVICE_SIZE_CHANGE", { id: "growth", size: 256 * MIB, "qom-path": "/x" });
  await growing;
  // Once more after a crash: the guest has it already.
  await guest.change({ memory: "256MiB" }, { memory: 511 * MIB + 1 });
  expect(guest.requests()).toHaveLength(1);
});

it.each([
  ["take it", 0, 512, /kernel needs virtio_mem/],
  ["give it back", 512, 256, /cannot give it back/],
])("asks a guest that does not %s in time for what it had, and says why", async (_, before, after, message) => {
  let obedient = true;
  await using guest = await startGuest({ obeys: (requested) => (obedient ? [requested] : []) });
  await resizeMemory(guest.qmp, room.memory, (256 + before) * MIB, {});
  obedient = false;
  const failed = resizeMemory(guest.qmp, room.memory, (256 + after) * MIB, { timeout: 200 });
  await expect(failed).rejects.toThrow(ConfigError);
  await expect(failed).rejects.toThrow(message);
  expect(guest.requests().slice(-2)).toEqual([after * MIB, before * MIB]);
});

it("says that the machine ended while its guest was waited for", async () => {
  await using guest = await startGuest({ obeys: () => [] });
  const failed = resizeMemory(guest.qmp, room.memory, 512 * MIB, {});
  await vi.waitFor(() => expect(guest.requests()).toHaveLength(1), 10_000);
  guest.monitor.hangUp();
  await expect(failed).rejects.toThrow(ConnectionError);
});

it("plugs processors in their order, and has the guest use them", async () => {
  await using guest = await startGuest();
  await guest.change({ cpu: 1 }, { cpu: 3 });
  expect(guest.plugged).toMatchObject([
    { driver: "max-x86_64-cpu", id: "cpu1", "core-id": 1 },
    { driver: "max-x86_64-cpu", id: "cpu2", "core-id": 2 },
  ]);
  expect(guest.exec).toHaveBeenCalledOnce();
  // The guest may not use those that are there already.
  await guest.change({ cpu: 1 }, { cpu: 3 });
  expect(guest.plugged).toHaveLength(2);
  expect(guest.exec).toHaveBeenCalledTimes(2);
  await guest.change({ cpu: 3 }, { cpu: 3 });
  expect(guest.exec).toHaveBeenCalledTimes(2);
  // What a change that failed has left.
  await guest.change({ cpu: 2 }, { cpu: 2 });
  expect((guest.exec.mock.calls as unknown as [{ argv: string[] }][]).at(-1)?.[0].argv.at(-1)).toBe("2");
});

it("takes memory back when the processors fail, and lets the guest use no more of them than before", async () => {
  await using guest = await startGuest();
  guest.exec.mockRejectedValueOnce(new ConnectionError("agent", "gone"));
  await expect(guest.change({ memory: "256MiB", cpu: 1 }, { memory: "512MiB", cpu: 2 })).rejects.toThrow("gone");
  expect(guest.requests()).toEqual([256 * MIB, 0]);
  const argv = (guest.exec.mock.calls as unknown as [{ argv: string[] }][]).map(([request]) => request.argv.at(-1));
  expect(argv).toEqual(["2", "1"]);
});

it("kills the program of a guest that does not use its processors in time", async () => {
  const kill = vi.fn(async () => undefined);
  const agent = { exec: async () => ({ exit: new Promise(() => undefined), kill }) } as unknown as AgentClient;
  await expect(useCpus(agent, 2, { timeout: 50 })).rejects.toThrow(/limits\.cpu: the guest does not use them/);
  expect(kill).toHaveBeenCalledWith("SIGKILL");
});

it("changes no size of a frozen machine, and nothing at all if the size is the same", async () => {
  await using guest = await startGuest({ frozen: true });
  await guest.change({ memory: "256MiB" }, { memory: "256MiB" });
  await expect(guest.change({ memory: "256MiB" }, { memory: "512MiB" })).rejects.toThrow(StateError);
  await expect(guest.change({ memory: "256MiB", cpu: 1 }, { memory: "256MiB", cpu: 2 })).rejects.toThrow(StateError);
  expect(guest.requests()).toEqual([]);
  expect(guest.plugged).toEqual([]);
});
