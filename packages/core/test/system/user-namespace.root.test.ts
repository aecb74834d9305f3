import { closeSync, readlinkSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { spawn } from "../../src/system/spawn.ts";
import { openUserNamespace } from "../../src/system/user-namespace.ts";

const IDMAP = { base: 2_000_000, count: 1000 };

/** The maps that a process in the namespace sees of itself. */
async function mapsOf(namespace: number): Promise<string> {
  const argv = ["nsenter", "--user=/proc/self/fd/3", "--preserve-credentials", "cat"];
  const files = ["/proc/self/uid_map", "/proc/self/gid_map"];
  return (await spawn([...argv, ...files], { descriptors: [namespace] })).stdout.replaceAll(/ +/g, " ");
}

describe("a user namespace for mounts", () => {
  it(
    "has the map, with root of the host where it is asked for",
    requires(["root", "binary:nsenter"], async () => {
      const [plain, withRoot] = [openUserNamespace(IDMAP), openUserNamespace(IDMAP, { hostRoot: true })];
      try {
        expect(await mapsOf(plain)).toBe(" 0 2000000 1000\n".repeat(2));
        expect(await mapsOf(withRoot)).toBe(" 0 2000000 1000\n 1000 0 1\n".repeat(2));
      } finally {
        for (const fd of [plain, withRoot]) closeSync(fd);
      }
    }),
  );

  it(
    "has the extra lines for users and for groups, and root of the host beyond all of them",
    requires(["root", "binary:nsenter"], async () => {
      const line = { inside: 1000, outside: 1000, count: 1, of: "uid" } as const;
      const namespace = openUserNamespace({ ...IDMAP, count: 1002, extra: [line] }, { hostRoot: true });
      try {
        const [users, groups] = [" 0 2000000 1000\n 1000 1000 1\n 1001 2001001 1\n", " 0 2000000 1002\n"];
        expect(await mapsOf(namespace)).toBe(`${users} 1002 0 1\n${groups} 1002 0 1\n`);
      } finally {
        closeSync(namespace);
      }
    }),
  );

  it(
    "takes as many lines as a configuration may have, though each has the longest numbers",
    requires(["root", "binary:nsenter"], async () => {
      const extra = Array.from({ length: 50 }, (_, index) => {
        return { inside: 1_000_000_000 + 2 * index, outside: 3_000_000_000 + 2 * index, count: 1, of: "both" } as const;
      });
      const namespace = openUserNamespace({ base: 1_000_000_000, count: 2 ** 30, extra }, { hostRoot: true });
      try {
        expect((await mapsOf(namespace)).split("\n")).toHaveLength(2 * 102 + 1);
      } finally {
        closeSync(namespace);
      }
    }),
  );

  it(
    "leaves no process, no descriptor, and the children of Node as they are",
    requires(["root"], async () => {
      const before = statSync("/proc/self/fd").nlink;
      const child = spawn(["sleep", "0.1"]);
      const made = Array.from({ length: 100 }, () => openUserNamespace(IDMAP));
      expect(new Set(made.map((fd) => readlinkSync(`/proc/self/fd/${fd}`))).size).toBe(100);
      for (const fd of made) closeSync(fd);
      await child;
      const { stdout } = await spawn(["ps", "--ppid", String(process.pid), "-o", "stat="], { allow: [0, 1] });
      expect(stdout).not.toContain("Z");
      expect(statSync("/proc/self/fd").nlink).toBe(before);
    }),
  );

  it(
    "is refused with the reason where the kernel makes none",
    requires(["root", "binary:chroot"], async () => {
      const folder = await mkdtemp(`${tmpdir()}/pileus-chroot-`);
      try {
        const { href } = new URL("../../src/system/user-namespace.ts", import.meta.url);
        const script = `import(${JSON.stringify(href)}).then((m) => m.openUserNamespace({ base: 1, count: 1 })).catch((e) => console.log(e.message))`;
        const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", "-e", script];
        // The new root is the old one, mounted a second time: that is a chroot to the kernel.
        const shell = `mount --bind --make-private / ${folder} && mount --rbind /proc ${folder}/proc && mount --rbind /dev ${folder}/dev && exec chroot ${folder} sh -c 'cd "$1" && shift && exec "$@"' sh "$@"`;
        const { stdout } = await spawn(["unshare", "--mount", "sh", "-c", shell, "sh", import.meta.dirname, ...node]);
        expect(stdout).toMatch(/cannot map ids .* user namespaces \(the kernel refused to create one: EPERM; fix: /);
      } finally {
        await rm(folder, { recursive: true });
      }
    }),
  );
});
