import { openSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NicAttachment } from "@pileus/core/driver";
import { containedAccess, spawn } from "@pileus/core/driver";
import { LocalFiles } from "@pileus/core/files";
import { requires } from "@pileus/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prepareRoot } from "../src/prepare.ts";
import type { Program } from "../src/process.ts";

const real = (test: () => Promise<void>) => requires(["root"], test);
const IDMAP = { base: 500_000, count: 65_536 };

let folder: string;
let root: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-prepare-"));
  root = join(folder, "root");
  await mkdir(join(root, "etc"), { recursive: true });
  await writeFile(join(folder, "outside"), "app:x:1:1::/outside:\n");
});
afterEach(() => rm(folder, { recursive: true }));

const nic: NicAttachment = {
  device: "eth0",
  network: "n",
  bridge: "n",
  hostInterface: "veth",
  mac: "02:00:00:00:00:01",
  ipv4: { address: "10.1.2.3", prefix: 24, gateway: "10.1.2.1" },
  dns: { servers: ["10.1.2.1"], domain: "pileus" },
};

function prepare(changes: Partial<Program> = {}, nics: readonly NicAttachment[] = []) {
  const program: Program = {
    role: "program",
    argv: ["x"],
    env: {},
    imageEnv: {},
    workdir: "/",
    user: "",
    stopSignal: 15,
    ...changes,
  };
  const access = containedAccess({ openRoot: () => openSync(root, 0o200000), idmap: IDMAP });
  return prepareRoot(new LocalFiles(access), { name: "box", program, nics }, {});
}

describe("prepareRoot", () => {
  it(
    "makes the working directory with its parents, owned by root inside",
    real(async () => {
      await prepare({ workdir: "/var/lib/app" });
      const stat = await lstat(join(root, "var/lib/app"));
      expect([stat.isDirectory(), stat.uid, stat.mode & 0o777]).toEqual([true, IDMAP.base, 0o755]);
    }),
  );

  it(
    "accepts an existing working directory, even by a symlink",
    real(async () => {
      await mkdir(join(root, "real"));
      await symlink("/real", join(root, "app"));
      await prepare({ workdir: "/app" });
      expect(await readdir(root)).toEqual(["app", "etc", "real"]);
    }),
  );

  it(
    "makes nothing outside of the root through a symlink in the image",
    real(async () => {
      await symlink(folder, join(root, "app"));
      await symlink("../../..", join(root, "up"));
      await prepare({ workdir: "/up/made" });
      expect(await readdir(join(root, "made"))).toEqual([]);
      await expect(prepare({ workdir: "/app/made" })).rejects.toMatchObject({ code: "ERR_FILE" });
      expect(await readdir(folder)).toEqual(["outside", "root"]);
    }),
  );

  it(
    "finds the user in the instance's own files",
    real(async () => {
      await writeFile(join(root, "etc/passwd"), "app:x:1000:1001::/home/app:/bin/sh\n");
      await writeFile(join(root, "etc/group"), "shared:x:2000:app\n");
      expect(await prepare({ user: "app" })).toMatchObject({
        uid: 1000,
        gid: 1001,
        groups: [1001, 2000],
        home: "/home/app",
      });
      await expect(prepare({ user: "other" })).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
    }),
  );

  it(
    "neither follows a passwd out of the root nor waits at a fifo",
    real(async () => {
      const passwd = join(root, "etc/passwd");
      await symlink(join(folder, "outside"), passwd);
      await expect(prepare({ user: "app" })).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
      await rm(passwd);
      await symlink("/../../outside", passwd);
      await expect(prepare({ user: "app" })).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
      await rm(passwd);
      await spawn(["mkfifo", passwd]);
      await expect(prepare({ user: "app" })).rejects.toMatchObject({ code: "ERR_USER_NOT_FOUND" });
      expect(await prepare({ user: "7" })).toMatchObject({ uid: 7, gid: 0 });
    }),
  );

  it(
    "writes the files of names, replaces links and folders, and never writes through them",
    real(async () => {
      await symlink(join(folder, "outside"), join(root, "etc/hosts"));
      await symlink("../run/resolv.conf", join(root, "etc/resolv.conf"));
      await mkdir(join(root, "etc/hostname/odd"), { recursive: true });
      await prepare({}, [nic]);
      expect(await readFile(join(root, "etc/hosts"), "utf8")).toContain("\n10.1.2.3 box.pileus box\n");
      expect(await readFile(join(root, "etc/hostname"), "utf8")).toBe("box\n");
      expect(await readFile(join(root, "etc/resolv.conf"), "utf8")).toBe("search pileus\nnameserver 10.1.2.1\n");
      expect(await readFile(join(folder, "outside"), "utf8")).toContain("/outside");
    }),
  );

  it(
    "leaves the image's resolv.conf alone without a nic, and needs no /etc",
    real(async () => {
      await writeFile(join(root, "etc/resolv.conf"), "mine");
      await prepare();
      expect(await readFile(join(root, "etc/resolv.conf"), "utf8")).toBe("mine");
      await rm(join(root, "etc"), { recursive: true });
      expect(await prepare()).toMatchObject({ uid: 0, gid: 0, groups: [0], home: "/root" });
    }),
  );
});
