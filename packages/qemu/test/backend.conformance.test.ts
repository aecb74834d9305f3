import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { ConnectionError } from "@pileus/core";
import { expect, it } from "vitest";
import { QemuBackend } from "../src/backend.ts";
import { makeInstance } from "./support/instance.ts";

const unused = (): never => {
  throw new Error("nothing of the host is needed for this");
};

/** A process that anybody takes for the QEMU of a machine, and that answers nothing. */
async function startSilentQemu(uuid: string) {
  const child = spawn("sh", ["-c", "read _", "-uuid", uuid], {
    argv0: "qemu-system-x86_64",
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(child, "spawn");
  child.kill("SIGSTOP");
  return child;
}

it("ends every QEMU that adopt() could not reach before it removes what the machine held", async () => {
  const uuid = randomUUID();
  await using instance = await makeInstance({ uuid });
  const { context } = instance;
  const parts = { spawn: unused, accelerator: unused, bootAssets: { get: unused } as never };
  const backend = new QemuBackend({ context: { folder: context.folder, hostId: "abcdefghij" }, ...parts });
  const silent = [await startSilentQemu(uuid), await startSilentQemu(uuid)];
  try {
    const ends = silent.map((child) => once(child, "exit"));
    await expect(backend.adopt(context, {})).rejects.toThrow(ConnectionError);
    await backend.remove(context);
    expect(await Promise.all(ends)).toEqual(silent.map(() => [null, "SIGKILL"]));
    await backend.remove(context);
  } finally {
    for (const child of silent) child.kill("SIGKILL");
  }
});
