import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { type QemuOptions, qemu } from "../src/index.ts";
import { makeInstance } from "./support/instance.ts";

it("keeps its downloads with the host whose machine is started, even if another host was opened since", async () => {
  const root = await mkdtemp(join(tmpdir(), "pileus-hosts-"));
  try {
    const folders: string[] = [];
    const spawn: Spawn = async (argv, options) => {
      if (argv[0]?.startsWith("apt-")) folders.push(options?.cwd ?? "");
      throw new CommandError({ argv, exitCode: 100 });
    };
    const driver = qemu({ spawn });
    const [first, second] = ["first", "second"].map((name) => join(root, name)) as [string, string];
    const backend = driver.open({ folder: first, hostId: "abcdefghij" });
    driver.open({ folder: second, hostId: "jihgfedcba" });
    await using instance = await makeInstance();
    await expect(backend.launch(instance.context, { remember: async () => undefined })).rejects.toThrow(CommandError);
    expect(folders.length).toBeGreaterThan(0);
    expect(folders.filter((folder) => !folder.startsWith(`${first}/`))).toEqual([]);
  } finally {
    await rm(root, { recursive: true });
  }
});

it.each([
  [{ kernel: "/boot/vmlinuz" }, /kernel: must be an object/],
  [{ kernel: { kernel: "/a", moduls: "/b" } }, /kernel.moduls: unknown key; did you mean "modules"/],
  [{ cache: "" }, /cache: must be a path, but is empty/],
  [{ node: 22 }, /node: must be a path/],
  [{ nod: "/n" }, /nod: unknown key; did you mean "node"/],
])("refuses the options %j", (options, words) => {
  expect(() => qemu(options as QemuOptions)).toThrow(
    expect.objectContaining({ code: "ERR_CONFIG", message: expect.stringMatching(words) }),
  );
});
