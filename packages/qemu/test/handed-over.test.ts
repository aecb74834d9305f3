import { constants, fstatSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { HandedOver, handOver } from "../src/handed-over.ts";
import { makeInstance } from "./support/instance.ts";

async function file(mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-handed-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "vmlinuz");
  await writeFile(path, "a kernel", { mode });
  return path;
}

it("numbers descriptors as the program has them, and closes them here", async () => {
  const path = await file(0o600);
  const handed = new HandedOver();
  expect([handed.open(path, "r"), handed.open(path, "r+")]).toEqual([3, 4]);
  const [first = -1] = handed.descriptors;
  expect(fstatSync(first).ino).toBe(statSync(path).ino);
  handed[Symbol.dispose]();
  expect(() => fstatSync(first)).toThrow("EBADF");
  expect(handed.descriptors).toEqual([]);
});

it.each([
  ["r", "O_RDONLY"],
  ["r+", "O_RDWR"],
] as const)("gives no more rights to a file opened with %j than %s", async (flags, access) => {
  using handed = new HandedOver();
  handed.open(await file(0o600), flags);
  // O_ACCMODE is 3.
  expect(flagsOf(handed.descriptors[0]) & 3).toBe(constants[access]);
});

/** proc_pid_fdinfo(5) */
function flagsOf(descriptor: number | undefined): number {
  const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
  return Number.parseInt(/^flags:\t(\d+)$/m.exec(info)?.[1] ?? "", 8);
}

it.each([0o644, 0o640, 0o600])("lets any user open a file of mode %o again, with the same content", async (mode) => {
  const path = await file(mode);
  const { ino } = statSync(path);
  const isOpen = () =>
    readdirSync("/proc/self/fd").some((fd) => statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.ino === ino);
  const handed = new HandedOver();
  expect(handed.openToReopen(path)).toBe(3);
  const [descriptor = -1] = handed.descriptors;
  expect(fstatSync(descriptor).mode & 0o004).not.toBe(0);
  expect(readFileSync(`/proc/self/fd/${descriptor}`, "utf8")).toBe("a kernel");
  expect(statSync(path).mode & 0o777).toBe(mode);
  handed[Symbol.dispose]();
  expect(isOpen()).toBe(false);
});

it("lets QEMU write to the disk of its own machine only, whatever else it is handed over", async () => {
  await using instance = await makeInstance();
  const { context } = instance;
  const file = (name: string) => join(context.folder, name);
  for (const name of ["disk.qcow2", "base", "kernel", "initramfs", "drive"]) await writeFile(file(name), name);
  const boot = { kernel: file("kernel"), initramfs: file("initramfs"), runtimeDrive: file("drive") };
  using handed = new HandedOver();
  const made = handOver(handed, context, { boot, backing: { path: file("base"), format: "raw" } });
  const opened = (descriptor: number | undefined) => [
    readlinkSync(`/proc/self/fd/${descriptor}`),
    (flagsOf(descriptor) & 3) === constants.O_RDONLY ? "r" : "rw",
  ];
  const of = (number: number | undefined) => opened(handed.descriptors[(number ?? 0) - 3]);
  expect(of(made.disk)).toEqual([file("disk.qcow2"), "rw"]);
  expect(of(made.backing?.descriptor)).toEqual([file("base"), "r"]);
  expect(of(made.boot?.kernel)).toEqual([file("kernel"), "r"]);
  expect(of(made.boot?.initramfs)).toEqual([file("initramfs"), "r"]);
  expect(of(made.boot?.agent?.runtimeDrive)).toEqual([file("drive"), "r"]);
  const writable = handed.descriptors
    .map(opened)
    .filter(([path, access]) => access === "rw" && !path?.startsWith("socket:"));
  expect(writable).toEqual([[file("disk.qcow2"), "rw"]]);
});
