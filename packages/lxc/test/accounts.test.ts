import { constants, openSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileOperations } from "@pileus/core/driver";
import { LocalFiles, plainAccess } from "@pileus/core/files";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ContainerAccounts } from "../src/accounts.ts";
import { openDescriptors } from "./support/descriptors.ts";

const O_PATH = 0o10000000;
const NOW = Date.now();
const LINE = "root:x:0:0:root:/root:/bin/sh\n";
const app = (uid: number) => `${LINE}app:x:${uid}:100:App:/home/app:/bin/sh\n`;

let root: string;
let read: string[];
let accounts: ContainerAccounts;

beforeEach(async () => {
  // Files that were written now are old then.
  vi.useFakeTimers({ toFake: ["Date"], now: NOW + 60_000 });
  root = await mkdtemp(join(tmpdir(), "pileus-accounts-"));
  await mkdir(join(root, "etc"));
  await writeFile(join(root, "etc/passwd"), app(1000));
  await writeFile(join(root, "etc/group"), "root:x:0:\n");
  read = [];
  const files = new LocalFiles(plainAccess(root));
  const watched = {
    read: (path: string, options: object) => {
      read.push(path);
      return files.read(path, options);
    },
  } as FileOperations;
  accounts = new ContainerAccounts(() => openSync(root, O_PATH | constants.O_DIRECTORY), watched);
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(root, { recursive: true });
});

describe("the accounts of a container", () => {
  it("are read once while nothing changes, and without leaving a descriptor open", async () => {
    expect(await accounts.find("app")).toMatchObject({ uid: 1000 });
    const before = openDescriptors();
    for (let count = 0; count < 20; count += 1) expect(await accounts.find("app")).toMatchObject({ uid: 1000 });
    expect(read).toEqual(["/etc/passwd", "/etc/group"]);
    // The streams of the first reads may still have been open.
    expect(openDescriptors()).toBeLessThanOrEqual(before);
  });

  it("are read again when a file was written, replaced or removed", async () => {
    const passwd = join(root, "etc/passwd");
    await accounts.find("app");
    await writeFile(passwd, app(1001));
    expect(await accounts.find("app")).toMatchObject({ uid: 1001 });
    await writeFile(`${passwd}.new`, app(1002));
    await rename(`${passwd}.new`, passwd);
    expect(await accounts.find("app")).toMatchObject({ uid: 1002 });
    await rm(passwd);
    await expect(accounts.find("app")).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
    await writeFile(passwd, app(1003));
    expect(await accounts.find("app")).toMatchObject({ uid: 1003 });
  });

  it("are not kept as long as a file could change within the same tick of the clock", async () => {
    vi.setSystemTime(NOW);
    for (let count = 0; count < 2; count += 1) await accounts.find("app");
    expect(read).toHaveLength(4);
  });
});
