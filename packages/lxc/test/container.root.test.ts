import { readFileSync } from "node:fs";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { readCgroupLayout } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { nativeFileCalls } from "../../core/src/system/syscall.ts";
import { lxc } from "../src/index.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

describe("a system container", () => {
  it(
    "passes its environment to PID 1 exactly, including line breaks, quotes and blanks",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      const env = { LINES: "one\ntwo\n", QUOTED: '"a b"', BLANKS: "  x  ", HASH: "# no comment", EMPTY: "" };
      await using system = await host.ephemeral({ driver: "lxc", name: "env", image, env });
      const environ = (await system.run(["cat", "/proc/1/environ"])).stdout.split("\0");
      for (const [name, value] of Object.entries(env)) expect(environ).toContain(`${name}=${value}`);
      expect(environ.filter((entry) => /^(LANG|LC_ALL|PWD|npm_)/.test(entry))).toEqual([]);
    }),
  );
  it(
    "can have the longest name, and is found again by another host",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      const name = `n${"-0123456789".repeat(5)}-abcdef`;
      expect(name.length).toBe(63);
      const system = await host.create({ driver: "lxc", name, image });
      await system.start();
      const other = await openHost({ root, drivers: [lxc()] });
      try {
        const found = await other.get(name, { driver: "lxc" });
        expect((await found.run(["hostname"])).stdout).toBe(`${name}\n`);
        await found.stop({ mode: "kill" });
        expect((await found.inspect()).exit).toMatchObject({ reason: "requested" });
      } finally {
        await other[Symbol.asyncDispose]();
      }
      await system.delete();
    }),
  );
  it(
    "is unprivileged: ids are mapped, root inside has no rights over files of the host's root, seccomp is on",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using system = await host.ephemeral({ driver: "lxc", name: "plain", image });
      const { pid, idmap } = await system.inspect();
      expect(idmap).toMatchObject({ count: 65_536 });
      const map = new RegExp(`^\\s*0\\s+${idmap?.base}\\s+65536\\n$`);
      expect(await readFile(`/proc/${pid}/uid_map`, "latin1")).toMatch(map);
      const status = (await system.run(["cat", "/proc/self/status"])).stdout;
      expect(/Seccomp:\s*(\d)/.exec(status)?.[1]).toBe("2");
      for (const attempt of [
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sysrq-trigger",
        "mknod /tmp/disk b 254 0",
        "mount -t debugfs none /mnt",
        "echo 1 > /sys/fs/cgroup/memory/memory.force_empty",
      ]) {
        expect((await system.run(["sh", "-c", attempt])).failed, attempt).toBe(true);
      }
    }),
  );
  it(
    "cannot use a device node that its image brought",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using system = await host.ephemeral({ driver: "lxc", name: "nodev", image });
      const { stdout } = await system.run(["cat", "/proc/mounts"]);
      expect(/^\S+ \/ overlay (\S+)/m.exec(stdout)?.[1]?.split(",")).toContain("nodev");
    }),
  );
  it(
    "is privileged on request: root inside is root, without some capabilities",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using system = await host.ephemeral({ driver: "lxc", name: "priv", image, lxc: { privileged: true } });
      const { pid } = await system.inspect();
      expect(await readFile(`/proc/${pid}/uid_map`, "latin1")).toMatch(/^\s*0\s+0\s+4294967295\n$/);
      const status = (await system.run(["cat", "/proc/self/status"])).stdout;
      const effective = BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(status)?.[1]}`);
      // capability.h: CAP_SYS_MODULE 16, CAP_SYS_TIME 25.
      expect([effective & (1n << 16n), effective & (1n << 25n)]).toEqual([0n, 0n]);
      await system.files.write("/etc/new", "content");
      expect((await system.files.readAll("/etc/new")).toString()).toBe("content");
      expect((await system.files.stat("/etc/new")).uid).toBe(0);
    }),
  );
  it(
    "takes the file capabilities of a pushed program, and its ordinary users have them",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      await using system = await host.ephemeral({ driver: "lxc", name: "filecaps", image });
      const program = join(root, "capable");
      await copyFile("/bin/busybox", program);
      // vfs_cap_data of linux/capability.h: revision 2, effective; permitted: CAP_NET_RAW, which is 13.
      const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
      nativeFileCalls().setXattr(Buffer.from(program), "security.capability", capability);
      await system.files.push(program, "/usr/bin/busybox-capable");
      const effective = async (argv: string[]) =>
        (await system.run([...argv, "CapEff", "/proc/self/status"], { user: "1000" })).stdout;
      expect(await effective(["/usr/bin/busybox-capable", "grep"])).toBe("CapEff:\t0000000000002000\n");
      expect(await effective(["grep"])).toBe("CapEff:\t0000000000000000\n");
    }),
  );
  it(
    "keeps to its limit of processes",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using system = await host.ephemeral({ driver: "lxc", name: "limits", image, limits: { processes: 12 } });
      const forks = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 5 & done";
      expect((await system.run(["sh", "-c", forks])).stderr).toMatch(/fork/);
    }),
  );
  it(
    "has its limits of swap space and of memory",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      const limits = { memory: { limit: "32m", swap: "16m" } };
      await using system = await host.ephemeral({ driver: "lxc", name: "limits", image, limits });
      const layout = readCgroupLayout();
      const groups = readFileSync(`/proc/${(await system.inspect()).pid}/cgroup`, "utf8");
      const first = layout.controller("memory")?.version === 1;
      const file = first ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
      const folder = layout.folderOf(groups, "memory") ?? "";
      // Its init is in a cgroup below that with the limits.
      const found = [folder, join(folder, "..")].map((at) => Number(readFileSync(join(at, file), "utf8")));
      expect(found).toContain((first ? 48 : 16) * 2 ** 20);
    }),
  );
  it(
    "keeps to its limit of memory",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using system = await host.ephemeral({ driver: "lxc", name: "limits", image, limits: { memory: "32MiB" } });
      expect((await system.metrics()).memory.limitBytes).toBe(32 * 2 ** 20);
      // Only one greedy program runs, because the kernel could kill any other process next, including PID 1.
      const greedy = ["sh", "-c", "tail -c 100000000 /dev/zero; echo $?"];
      expect((await system.run(greedy, { timeout: 20_000 })).stdout).toBe("137\n");
      const told = await system.run(["tail", "-c", "100000000", "/dev/zero"], { timeout: 20_000 });
      expect(told).toMatchObject({ signal: "SIGKILL", failed: true, oom: true });
      expect(await system.run(["sh", "-c", "kill -KILL $$"])).toMatchObject({ signal: "SIGKILL", oom: false });
    }),
  );
});
