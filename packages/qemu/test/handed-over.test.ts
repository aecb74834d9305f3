import { constants, fstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { HandedOver } from "../src/handed-over.ts";

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
  ["w", "O_WRONLY"],
] as const)("gives no more rights to a file opened with %j than %s", async (flags, access) => {
  using handed = new HandedOver();
  handed.open(await file(0o600), flags);
  const info = readFileSync(`/proc/self/fdinfo/${handed.descriptors[0]}`, "utf8");
  // O_ACCMODE is 3.
  expect(Number.parseInt(/^flags:\t(\d+)$/m.exec(info)?.[1] ?? "", 8) & 3).toBe(constants[access]);
});

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
