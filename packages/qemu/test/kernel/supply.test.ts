import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { KernelSupply } from "../../src/kernel/supply.ts";

const nowhere = "/nonexistent/cache";
const spawn: Spawn = async () => {
  throw new Error("this test runs no tool");
};

it("uses only the given kernel", async () => {
  const given = { kernel: import.meta.filename };
  const supply = new KernelSupply({ given, spawn });
  expect(await supply.get(nowhere)).toBe(given);
  expect(await supply.describe(undefined)).toEqual({ fact: import.meta.filename });
});

it("names the file that a given kernel lacks", async () => {
  const given = { kernel: import.meta.filename, modules: "/nonexistent/modules" };
  const supply = new KernelSupply({ given, spawn });
  expect((await supply.describe(nowhere)).missing?.need).toBe("file:/nonexistent/modules");
  await expect(supply.get(nowhere)).rejects.toThrow(HostError);
});

it("uses the newest kernel of the cache", async () => {
  const cache = await mkdtemp(join(tmpdir(), "pileus-supply-"));
  try {
    for (const release of ["6.1.0-9", "6.1.0-56", "5.10.0-99"]) await mkdir(join(cache, `kernel-${release}`));
    const supply = new KernelSupply({ given: undefined, spawn });
    expect((await supply.get(cache)).kernel).toBe(join(cache, "kernel-6.1.0-56", "kernel"));
  } finally {
    await rm(cache, { recursive: true });
  }
});
