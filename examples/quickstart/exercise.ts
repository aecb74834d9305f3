import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Instance } from "@pileus/core";
import { assertSameTree, makeTree } from "./folder.ts";
import { ping } from "./redis.ts";
import type { Stopwatch } from "./table.ts";

export interface ExerciseOptions {
  /** Whether the instance has a nic, and so an address. */
  readonly nic: boolean;
  /** Whether a redis answers on the instance's address. */
  readonly redis: boolean;
  /** A folder of the host for the trees. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Every step that all three kinds of instance go through, by the same code. */
export async function exercise(
  instance: Instance<"exec" | "files" | "freeze" | "metrics" | "network">,
  watch: Stopwatch,
  { nic, redis, scratch, signal }: ExerciseOptions,
): Promise<void> {
  watch.kind = (await instance.inspect()).kind;
  await watch.step("start", () => instance.start({ signal }));
  await watch.step("ready", () => instance.ready({ signal }));
  await watch.step("run", async () => {
    const { stdout } = await instance.run(["uname", "-a"], { check: true, signal });
    assert.match(stdout, /^Linux /);
    return stdout.trim();
  });
  const address = nic ? await watch.step("address", () => firstAddress(instance, signal)) : undefined;
  const folder = await mkdtemp(join(scratch, "folder-"));
  try {
    await makeTree(join(folder, "source"));
    await watch.step("push", () => instance.files.push(join(folder, "source"), "/root/pushed", { signal }));
    await watch.step("pull", () => instance.files.pull("/root/pushed", join(folder, "back"), { signal }));
    await watch.step("compare", () => assertSameTree(join(folder, "source"), join(folder, "back")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  await watch.step("tty", async () => {
    await using shell = await instance.exec(["sh", "-c", "stty size; exit 3"], {
      tty: { columns: 100, rows: 30 },
      signal,
    });
    assert.match(await text(shell.tty), /30 100/);
    assert.deepEqual(await shell.exit, { kind: "exited", code: 3 });
  });
  await watch.step("metrics", async () => {
    const { cpu, memory } = await instance.metrics({ signal });
    assert.ok(cpu.seconds > 0 && memory.bytes > 0);
    return `cpu ${cpu.seconds.toFixed(2)} s, memory ${(memory.bytes / 2 ** 20).toFixed(1)} MiB`;
  });
  if (redis && address !== undefined) await watch.step("ping", () => ping(address, signal));
  await watch.step("freeze", async () => {
    await instance.freeze({ signal });
    assert.equal(await instance.state(), "frozen");
  });
  await watch.step("unfreeze", async () => {
    await instance.unfreeze({ signal });
    assert.equal(await instance.state(), "running");
  });
  await watch.step("stop", async () => {
    await instance.stop({ signal });
    assert.equal(await instance.state(), "stopped");
  });
}

async function firstAddress(instance: Instance<"network">, signal: AbortSignal): Promise<string> {
  const [first] = await instance.addresses({ signal });
  assert.ok(first, "the instance has an address");
  return first.address;
}
