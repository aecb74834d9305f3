import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { ConnectionError } from "@pileus/core";
import { expect, it } from "vitest";
import { QemuBackend } from "../src/backend.ts";
import { makeInstance } from "./support/instance.ts";

const unused = (): never => {
  throw new Error("this test needs nothing from the host");
};

/** A process that looks like the QEMU of a machine and does not answer. */
async function startSilentQemu(uuid: string) {
  const child = spawn("sh", ["-c", "read _", "-uuid", uuid], {
    argv0: "qemu-system-x86_64",
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(child, "spawn");
  child.kill("SIGSTOP");
  return child;
}

/** A backend in a folder, for tests that need nothing from the host. */
function backendIn(folder: string): QemuBackend {
  const parts = { spawn: unused, accelerator: unused, bootAssets: { get: unused } as never };
  return new QemuBackend({ context: { folder, hostId: "abcdefghij" }, ...parts });
}

it("finds a machine again whose monitors are all taken, and kills it without them", async () => {
  const uuid = randomUUID();
  await using instance = await makeInstance({ uuid, tree: { kind: "disk", path: "/nowhere", format: "raw" } });
  const { context } = instance;
  const child = await startSilentQemu(uuid);
  const ended = once(child, "exit");
  try {
    const running = await backendIn(context.folder).adopt(context, {});
    expect(running?.pid).toBe(child.pid);
    expect(await running?.isFrozen({})).toBeUndefined();
    await expect(running?.freeze()).rejects.toThrow(ConnectionError);
    await running?.kill();
    expect(await ended).toEqual([null, "SIGKILL"]);
    expect(await running?.exited).toBeUndefined();
  } finally {
    child.kill("SIGKILL");
  }
});

it("kills every QEMU of a machine, even one that does not answer, before it removes the machine's files", async () => {
  const uuid = randomUUID();
  await using instance = await makeInstance({ uuid });
  const { context } = instance;
  const backend = backendIn(context.folder);
  const silent = [await startSilentQemu(uuid), await startSilentQemu(uuid)];
  try {
    const ends = silent.map((child) => once(child, "exit"));
    await backend.remove(context);
    expect(await Promise.all(ends)).toEqual(silent.map(() => [null, "SIGKILL"]));
    await backend.remove(context);
  } finally {
    for (const child of silent) child.kill("SIGKILL");
  }
});
