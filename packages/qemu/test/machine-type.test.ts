import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, HostError } from "@pileus/core";
import { expect, it, onTestFinished } from "vitest";
import { boardFor, explainBoard, keepBoard } from "../src/machine-type.ts";
import type { QmpClient } from "../src/qmp/index.ts";
import { makeInstance } from "./support/instance.ts";

async function instance() {
  const made = await makeInstance();
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made.context;
}

/** A monitor of a QEMU that runs this type. */
const running = (type: string) => ({ execute: async () => type }) as unknown as Pick<QmpClient, "execute">;

it("keeps the version that q35 stood for at the first start, and asks every later QEMU for it", async () => {
  const context = await instance();
  expect(await boardFor(context, { machine: "q35" })).toBe("q35");
  expect(await keepBoard(context, "q35", running("pc-q35-7.2-machine"), {})).toBe("pc-q35-7.2");
  expect(await boardFor(context, { machine: "q35" })).toBe("pc-q35-7.2");
});

it("asks for what the configuration names, and keeps nothing of it", async () => {
  const context = await instance();
  for (const machine of ["microvm", "pc-q35-7.1"] as const) {
    expect(await boardFor(context, { machine })).toBe(machine);
    expect(await keepBoard(context, machine, running("pc-q35-7.1-machine"), {})).toBe(machine);
  }
  await expect(readFile(join(context.folder, "machine-type"))).rejects.toThrow("ENOENT");
});

it("takes nothing but a version of q35 from the file of an instance, and from QEMU", async () => {
  const context = await instance();
  expect(await keepBoard(context, "q35", running("q35,usb=on-machine"), {})).toBe("q35");
  await writeFile(join(context.folder, "machine-type"), "q35,usb=on\n");
  expect(await boardFor(context, { machine: "q35" })).toBe("q35");
});

it("says which machine a QEMU does not have, and passes every other error on", () => {
  const failed = (stderr: string) => new CommandError({ argv: ["qemu"], exitCode: 1, stderr });
  const lacking = explainBoard(failed("qemu: unsupported machine type\nUse -machine help\n"), "pc-q35-2.4");
  expect(lacking).toBeInstanceOf(HostError);
  expect(String(lacking)).toMatch(/machine-type:pc-q35-2\.4 .*qemu: \{ machine/);
  for (const other of [failed("no such device"), new Error("unsupported machine type")])
    expect(explainBoard(other, "q35")).toBe(other);
});
