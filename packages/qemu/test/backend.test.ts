import { UnsupportedError } from "@pileus/core";
import { expect, it } from "vitest";
import { QemuBackend } from "../src/backend.ts";
import { makeInstance } from "./support/instance.ts";

const unused = (): never => {
  throw new Error("this test needs nothing from the host");
};

function backend(folder: string): QemuBackend {
  const context = { folder, hostId: "abcdefghij" };
  return new QemuBackend({ context, spawn: unused, accelerator: unused, bootAssets: { get: unused } as never });
}

it("refuses a disk image on a microvm at create, and creates nothing", async () => {
  const tree = { kind: "disk", path: "/nowhere", format: "raw" } as const;
  await using instance = await makeInstance({ tree, config: { qemu: { machine: "microvm" } } });
  const { context } = instance;
  await expect(backend(context.folder).materialize(context, {})).rejects.toThrow(UnsupportedError);
});

it("refuses a machine that is larger than this host", async () => {
  await using instance = await makeInstance({ config: { limits: { memory: "900TiB" } } });
  const { changes } = backend(instance.context.folder).plan(undefined, instance.context.config);
  expect(changes).toMatchObject([{ path: "limits.memory", effect: "unsupported" }]);
});
