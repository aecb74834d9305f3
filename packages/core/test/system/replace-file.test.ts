import { randomUUID } from "node:crypto";
import type fs from "node:fs";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { putInPlace, replaceFile, replaceFileOnFullDisk, reserveReplacement } from "../../src/system/replace-file.ts";

// What fsync(2) does shows only when the power goes: it is told instead.
const told = vi.hoisted(() => ({
  steps: [] as string[],
  full: false,
  link: true,
  type: 0,
  onSync: (): unknown => undefined,
}));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    fsync: (fd: number, done: (error: Error | null) => void) => {
      told.steps.push(`sync ${nameOf(fd)}`);
      told.onSync();
      real.fsync(fd, done);
    },
    linkSync: (path: string, to: string) => {
      if (!told.link) throw Object.assign(new Error("no links"), { code: "EPERM" });
      real.linkSync(path, to);
    },
    statfsSync: () => ({ type: told.type }),
    renameSync: (from: string, to: string) => {
      told.steps.push(`rename ${shortened(basename(from))}`);
      real.renameSync(from, to);
    },
    writeFileSync: (...args: Parameters<typeof real.writeFileSync>) => {
      if (told.full && nameOf(args[0] as number) !== ".file.spare")
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      real.writeFileSync(...args);
    },
  };
});

const contentNow = () => readFileSync(path, "utf8").trim();
const shortened = (name: string) => name.replace(/[0-9a-f-]{36}/, "UUID");
const nameOf = (fd: number) => shortened(basename(readlinkSync(`/proc/self/fd/${fd}`)));

const [EXT4, XFS, BTRFS] = [0xef53, 0x58465342, 0x9123683e];

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-replace-"));
  path = join(folder, "file");
  told.steps = [];
  told.full = false;
  told.link = true;
  told.type = EXT4;
  told.onSync = () => undefined;
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

it("has a new content on the disk before the file has it, and the name before it returns", async () => {
  await replaceFile(path, "new");
  expect(told.steps).toEqual(["sync .file.UUID.tmp", "rename .file.UUID.tmp", `sync ${basename(folder)}`]);
});

it.each([
  ["does not wait for the name where the order of changes is enough", EXT4, false],
  ["does not wait for the name on XFS either", XFS, false],
  ["waits for the name on btrfs, which may write later changes before", BTRFS, true],
])("%s", async (_, type, waits) => {
  told.type = type;
  await replaceFileOnFullDisk(path, "new", { orderOnly: true });
  const name = waits ? [`sync ${basename(folder)}`] : [];
  expect(told.steps).toEqual(["sync .file.UUID.tmp", "rename .file.UUID.tmp", ...name]);
});

it("removes the temporary files that kills of earlier writers have left of this file, and no other", async () => {
  const others = [`.file.${"a".repeat(36)}`, `.other.${randomUUID()}.tmp`, ".file.tmp"];
  for (const name of [...others, `.file.${randomUUID()}.tmp`]) writeFileSync(join(folder, name), "half");
  await replaceFileOnFullDisk(path, "new");
  expect(readdirSync(folder).sort()).toEqual([...others, ".file.spare", "file"].sort());
});

it("has a content that it writes over the spare on the disk before the file has it, and its name too", async () => {
  await replaceFileOnFullDisk(path, "old");
  told.steps = [];
  told.full = true;
  told.onSync = () => told.steps.push(`while the file says ${contentNow()}`);
  await replaceFileOnFullDisk(path, "new");
  expect(told.steps).toEqual([
    ...["sync .file.spare", "while the file says old"],
    ...[`sync ${basename(folder)}`, "while the file says new"],
  ]);
  expect(readdirSync(folder).sort()).toEqual([".file.spare", "file"]);
});

describe.each([
  ["with room", false],
  ["that is full", true],
])("on a disk %s", (_, full) => {
  beforeEach(async () => {
    await replaceFileOnFullDisk(path, "old");
    told.full = full;
  });

  it("leaves the file as it is once the signal has aborted, however late the disk answers", async () => {
    const given = new AbortController();
    told.onSync = () => given.abort(new Error("given up"));
    await expect(replaceFileOnFullDisk(path, "new", { signal: given.signal })).rejects.toThrow("given up");
    expect([contentNow(), readdirSync(folder).sort()]).toEqual(["old", [".file.spare", "file"]]);
  });

  it("leaves the spare as it is too when the signal had aborted before", async () => {
    const signal = AbortSignal.abort(new Error("given up"));
    await expect(replaceFileOnFullDisk(path, "new", { signal })).rejects.toThrow("given up");
    expect(readFileSync(join(folder, ".file.spare"), "utf8").trim()).toBe("");
  });
});

it.each([1, 3000, 4000, 4096, 9000])("keeps room for a kilobyte more than a content of %i bytes", async (size) => {
  const content = "x".repeat(size);
  await replaceFileOnFullDisk(path, content);
  for (const file of [path, join(folder, ".file.spare")])
    expect(statSync(file).size).toBeGreaterThanOrEqual(size + 1024);
  await reserveReplacement(join(folder, "other"), content);
  expect(statSync(join(folder, ".other.spare")).size).toBeGreaterThanOrEqual(size + 1024);
});

it("puts the spare in place of the file, also where names cannot be exchanged", () => {
  const spare = join(folder, "spare");
  const contents = () => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]);
  writeFileSync(path, "old");
  writeFileSync(spare, "new");
  putInPlace(spare, path);
  expect(contents()).toEqual([
    ["file", "new"],
    ["spare", "old"],
  ]);
  const refusal = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };
  expect(() => putInPlace(spare, path, refusal("EIO"))).toThrow("EIO");
  // What a process that was killed between the steps left.
  writeFileSync(`${spare}.old`, "older");
  putInPlace(spare, path, refusal("EINVAL"));
  expect(contents()).toEqual([
    ["file", "old"],
    ["spare", "new"],
  ]);
  told.link = false;
  putInPlace(spare, path, refusal("EINVAL"));
  expect(contents()).toEqual([["file", "new"]]);
});
