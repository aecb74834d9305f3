import { expect, it } from "vitest";
import { BootAssetSupply, type KernelSource } from "../src/boot-assets.ts";
import type { GuestKernel } from "../src/kernel/kernel.ts";
import type { KernelSupply } from "../src/kernel/supply.ts";

const unused = (): never => {
  throw new Error("this test needs nothing from the host");
};

it.each<[string, KernelSource, GuestKernel | undefined]>([
  ["the driver's kernel", "managed", undefined],
  ["a kernel of the host in place of the driver's", { kernel: "/boot/vmlinuz" }, { kernel: "/boot/vmlinuz" }],
])("boots %s", async (_, source, given) => {
  const asked: unknown[] = [];
  const get: KernelSupply["get"] = async (folder, _options, kernel) => {
    asked.push([folder, kernel]);
    throw new Error("no kernel");
  };
  const kernel = { get } as KernelSupply;
  const assets = new BootAssetSupply({ cache: "/cache", kernel, spawn: unused, runtimeDrive: unused });
  await expect(assets.get(source, {})).rejects.toThrow("no kernel");
  expect(asked).toEqual([["/cache", given]]);
});
