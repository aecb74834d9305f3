import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeFileSync } from "node:fs";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { LocalFiles } from "@pileus/core/files";
import { requires } from "@pileus/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packHostTree } from "../../src/engine/transfer/pack-host-tree.ts";
import { containedAccess } from "../../src/system/contained-access.ts";
import { nativeFileCalls } from "../../src/system/syscall.ts";
import { listed } from "../files/support/root.ts";

const O_PATH = 0o10000000;
const IDMAP = { base: 100_000, count: 65_536 };
let folder: string;
let root: string;
let secret: string;
let files: LocalFiles;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-contained-"));
  root = join(folder, "root");
  secret = join(folder, "secret");
  await mkdir(root);
  await mkdir(secret);
  await writeFile(join(secret, "file"), "the host's");
  files = filesOf(root);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function filesOf(path: string, idmap?: typeof IDMAP): LocalFiles {
  return new LocalFiles(containedAccess({ openRoot: () => openSync(path, O_PATH | constants.O_DIRECTORY), idmap }));
}

async function write(path: string, content: string, owner = {}): Promise<void> {
  const { stream, done } = await files.write(path, owner);
  stream.end(content);
  await done;
}

/** What a hostile instance does in a loop: `a` is in turn a folder, missing, and a symlink to the host. */
const SWAP = `
  const { renameSync } = require("node:fs");
  const steps = [["a", "kept"], ["evil", "a"], ["a", "evil"], ["kept", "a"]];
  for (;;) for (const [from, to] of steps) try { renameSync(from, to); } catch {}
`;

describe("a hostile tree", () => {
  it(
    "leads nowhere outside by an absolute symlink, a relative one, or a chain of both",
    requires(["root"], async () => {
      await symlink(secret, join(root, "absolute"));
      await symlink("../../../../../../../../..".concat(secret), join(root, "relative"));
      await symlink("absolute/file", join(root, "chain"));
      await symlink("/proc/self/root", join(root, "magic"));
      for (const link of ["/absolute/file", "/relative/file", "/chain", `/magic${secret}/file`]) {
        await expect(files.read(link)).rejects.toMatchObject({ errno: "ENOENT" });
        await expect(files.write(link)).rejects.toMatchObject({ errno: "ENOENT" });
      }
      await expect(files.list("/absolute")).rejects.toMatchObject({ errno: "ENOENT" });
      await expect(files.readTree(`/../../../..${secret}`)).rejects.toMatchObject({ errno: "ENOENT" });
      await files.remove("/absolute", { recursive: true });
      expect(await readFile(join(secret, "file"), "utf8")).toBe("the host's");
    }),
  );
  it(
    "takes what is written through an absolute symlink to the place inside of that name",
    requires(["root"], async () => {
      await mkdir(join(root, secret), { recursive: true });
      await symlink(secret, join(root, "link"));
      await write("/link/file", "inside");
      expect(await readFile(join(root, secret, "file"), "utf8")).toBe("inside");
      expect(await readFile(join(secret, "file"), "utf8")).toBe("the host's");
    }),
  );
  it(
    "cannot make a call wait by a fifo, a socket or a device in the place of a file",
    requires(["root", "binary:mkfifo", "binary:mknod"], async () => {
      execFileSync("mkfifo", [join(root, "fifo")]);
      execFileSync("mknod", [join(root, "tty"), "c", "5", "0"]);
      for (const name of ["/fifo", "/tty"]) {
        await expect(files.read(name)).rejects.toMatchObject({ errno: "EINVAL" });
        await expect(files.write(name)).rejects.toMatchObject({ errno: "EINVAL" });
      }
      await mkdir(join(root, "tree"));
      await rename(join(root, "fifo"), join(root, "tree/fifo"));
      const tar = await buffer(await files.readTree("/tree"));
      expect(tar.length).toBeGreaterThan(0);
    }),
  );
  it(
    "stays contained while folders are swapped for symlinks under every call",
    requires(["root"], async () => {
      await mkdir(join(root, "a/inner"), { recursive: true });
      await symlink(secret, join(root, "evil"));
      const swapper = spawn(process.execPath, ["-e", SWAP], { cwd: root, stdio: "ignore" });
      const ignore = (error: unknown) => expect(error).toMatchObject({ code: "ERR_FILE" });
      for (let round = 0; round < 300; round += 1) {
        await write("/a/file", "inside").catch(ignore);
        await files.mkdir("/a/made", { recursive: true }).catch(ignore);
        await files.remove("/a/inner", { recursive: true }).catch(ignore);
        await files.remove("/a", { recursive: true }).catch(ignore);
        await files.mkdir("/a/inner", { recursive: true }).catch(ignore);
      }
      swapper.kill();
      await once(swapper, "exit");
      expect(await readFile(join(secret, "file"), "utf8")).toBe("the host's");
      await expect(stat(join(secret, "made"))).rejects.toThrow("ENOENT");
    }),
  );
});

describe("owners", () => {
  it(
    "are those inside, whatever they are outside",
    requires(["root"], async () => {
      files = filesOf(root, IDMAP);
      await chown(root, IDMAP.base, IDMAP.base);
      await write("/file", "content", { uid: 1000, gid: 50, mode: 0o4755 });
      await files.mkdir("/folder", { uid: 7, gid: 8 });
      expect(await stat(join(root, "file"))).toMatchObject({ uid: 101_000, gid: 100_050, mode: 0o104755 });
      expect(await lstat(join(root, "folder"))).toMatchObject({ uid: 100_007, gid: 100_008 });
      expect(await files.stat("/file")).toMatchObject({ uid: 1000, gid: 50 });
      await writeFile(join(root, "foreign"), "");
      expect(await files.stat("/foreign")).toMatchObject({ uid: 65_534, gid: 65_534 });
      await expect(files.write("/file", { uid: 65_536 })).rejects.toMatchObject({
        errno: "EINVAL",
        message: expect.stringContaining("the id 65536 is none of the instance, which has 0 to 65535"),
      });
      expect(process.geteuid?.()).toBe(0);
    }),
  );
  it(
    "of a tree are its own, and it can be written into a folder that only its owner may enter",
    requires(["root"], async () => {
      await mkdir(join(root, "from"));
      await write("/from/file", "x", { uid: 5, gid: 6 });
      await symlink("file", join(root, "from/link"));
      const mapped = filesOf(root, IDMAP);
      await mapped.mkdir("/private", { uid: 9, gid: 9, mode: 0o700 });
      const { stream, done } = await mapped.writeTree("/private", {});
      await Promise.all([pipeline(await files.readTree("/from"), stream), done]);
      expect(await mapped.stat("/private/file")).toMatchObject({ uid: 5, gid: 6 });
      expect(await text(await mapped.read("/private/link"))).toBe("x");
      expect(await mapped.stat("/private")).toMatchObject({ uid: 9, mode: 0o700 });
    }),
  );
  it(
    "come with capabilities that hold inside, but not on the host if the ids inside are others",
    requires(["root"], async () => {
      const { setXattr, xattr } = nativeFileCalls();
      // cap_net_raw=ep: capabilities(7), struct vfs_cap_data.
      const plain = Buffer.from(`0100000200200000${"00".repeat(12)}`, "hex");
      await writeFile(join(root, "ping"), "content");
      setXattr(Buffer.from(join(root, "ping")), "security.capability", plain);
      for (const [to, idmap] of [
        ["same", undefined],
        ["mapped", IDMAP],
      ] as const) {
        const { stream, done } = await filesOf(root, idmap).writeTree(`/${to}`, {});
        await Promise.all([pipeline(packHostTree(join(root, "ping"), {}), stream), done]);
      }
      expect(xattr(Buffer.from(join(root, "same")), "security.capability")).toEqual(plain);
      const mapped = xattr(Buffer.from(join(root, "mapped")), "security.capability");
      expect(mapped?.readUInt32LE(0)).toBe(0x03000001);
      expect(mapped?.subarray(4, 20)).toEqual(plain.subarray(4));
      expect(mapped?.readUInt32LE(20)).toBe(IDMAP.base);
    }),
  );
  it(
    "leave the process all its rights",
    requires(["root"], async () => {
      files = filesOf(root, IDMAP);
      const before = await readFile("/proc/thread-self/status", "utf8");
      await write("/file", "content", { uid: 1 });
      await expect(files.mkdir("/no/where", { uid: 1 })).rejects.toMatchObject({ errno: "ENOENT" });
      const capabilities = (status: string) => /CapEff:.*/.exec(status)?.[0];
      expect(capabilities(await readFile(`/proc/${process.pid}/status`, "utf8"))).toBe(capabilities(before));
      const mine = join(folder, "mine");
      closeSync(openSync(mine, "w"));
      expect((await stat(mine)).uid).toBe(0);
      await unlink(mine);
    }),
  );
});

/** Runs `script` in the tree, in mount and user namespaces of its own, and uses the tree meanwhile. */
async function inhabited(path: string, script: string, use: (files: LocalFiles) => Promise<void>): Promise<void> {
  const child = spawn("unshare", ["--user", "--mount", "--propagation", "private", "cat"]);
  try {
    child.stdin.write("\n");
    await once(child.stdout, "data");
    const { pid } = child;
    const map = `0 ${IDMAP.base} ${IDMAP.count}\n`;
    for (const kind of ["uid_map", "gid_map"]) writeFileSync(`/proc/${pid}/${kind}`, map);
    execFileSync("nsenter", [
      "-t",
      String(pid),
      "-U",
      "-m",
      "-S",
      "0",
      "-G",
      "0",
      "sh",
      "-ec",
      `cd ${path}; ${script}`,
    ]);
    const openRoot = () => openSync(`/proc/${pid}/root${path}`, O_PATH | constants.O_DIRECTORY);
    await use(new LocalFiles(containedAccess({ openRoot, idmap: IDMAP })));
  } finally {
    child.stdin.end();
    await once(child, "exit");
  }
}

describe("what is mounted in the tree", () => {
  const inTree = (name: string, test: () => Promise<void>) =>
    it(
      name,
      requires(["root", "binary:unshare", "binary:nsenter"], async () => {
        for (const each of [folder, root]) await chown(each, IDMAP.base, IDMAP.base);
        await chmod(folder, 0o755);
        await test();
      }),
    );
  inTree(
    "accepts files, folders, links and trees as the rest of the tree, also in a file system of its own user namespace",
    () =>
      inhabited(
        root,
        "mkdir mem from; mount -t tmpfs none mem; echo x >from/f; ln from/f from/hard; ln -s f from/link",
        async (inside) => {
          files = inside;
          await write("/mem/file", "new", { uid: 5, gid: 6, mode: 0o640 });
          await write("/mem/file", "newer");
          expect(await text(await files.read("/mem/file"))).toBe("newer");
          expect(await files.stat("/mem/file")).toMatchObject({ uid: 5, gid: 6, mode: 0o640 });
          await files.mkdir("/mem/folder", {});
          const { stream, done } = await files.writeTree("/mem/tree", {});
          await Promise.all([pipeline(await files.readTree("/from"), stream), done]);
          expect((await listed(files, "/mem/tree")).map(({ name }) => name).sort()).toEqual(["f", "hard", "link"]);
          for (const name of ["file", "folder", "tree"]) await files.remove(`/mem/${name}`, { recursive: true });
          expect(await listed(files, "/mem")).toEqual([]);
        },
      ),
  );
  inTree("stays mounted: to remove it, or what it is mounted in, fails and leaves what it shows", () =>
    inhabited(
      root,
      "mkdir -p real top/a top/a/bound; echo x >real/kept; echo y >file; echo z >top/file; mount -o bind real top/a/bound; mount -o bind file top/file",
      async (inside) => {
        for (const path of ["/top/a/bound", "/top/file"]) {
          await expect(inside.remove(path)).rejects.toMatchObject({ errno: "EBUSY" });
          await expect(inside.remove(path, { recursive: true })).rejects.toMatchObject({ errno: "EBUSY" });
        }
        await expect(inside.remove("/top", { recursive: true })).rejects.toMatchObject({ errno: "EBUSY" });
        expect(await text(await inside.read("/top/a/bound/kept"))).toBe("x\n");
        await inside.remove("/real/kept");
        expect(await listed(inside, "/top/a/bound")).toEqual([]);
      },
    ),
  );
  inTree("is written to in place where it is a file, and left as it was when the write fails", () =>
    inhabited(root, "echo a >one; echo b >two; chmod 600 two; mount -o bind one two", async (inside) => {
      files = inside;
      const { stream, done } = await files.write("/two");
      stream.write("half");
      stream.destroy();
      await done;
      expect(await readFile(join(root, "one"), "utf8")).toBe("a\n");
      await write("/two", "new", { mode: 0o751 });
      expect(await readFile(join(root, "one"), "utf8")).toBe("new");
      expect(await files.stat("/one")).toMatchObject({ mode: 0o751, uid: 0, gid: 0 });
      expect(await text(await files.read("/two"))).toBe("new");
      expect((await listed(files, "/")).map(({ name }) => name).sort()).toEqual(["one", "two"]);
    }),
  );
  inTree("is not written to where it is a file of the host's, or a switch of the kernel's", async () => {
    await chmod(secret, 0o755);
    const script = `touch one two; mount -o bind ${secret}/file one; mount -o bind /proc/self/oom_score_adj two`;
    await inhabited(root, script, async (inside) => {
      files = inside;
      for (const path of ["/one", "/two"])
        await expect(write(path, "-5")).rejects.toMatchObject({ code: "ERR_FILE", errno: "EBUSY" });
      expect(await readFile(join(secret, "file"), "utf8")).toBe("the host's");
    });
  });
});
