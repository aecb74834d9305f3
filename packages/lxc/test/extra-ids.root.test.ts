import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Idmap } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

const EXTRA = [
  { inside: 1000, outside: 1000, count: 1, of: "both" },
  { inside: 2000, outside: 54_321, count: 1, of: "gid" },
] as const;
const lxc = { idmap: { extra: [{ inside: 1000, outside: 1000 }, EXTRA[1]] } };

const ownerOf = (path: string) => {
  const { uid, gid } = lstatSync(path);
  return `${uid}:${gid}`;
};

/** A path of a container's mounted root, as the host sees it. */
function onHost(uuid: string, path: string): string {
  const [lxcpath = ""] = readdirSync("/run/pileus").filter((name) => name.endsWith(`-${uuid}`));
  return join("/run/pileus", lxcpath, "rootfs", path);
}

/** /proc/PID/status of the shell of the host with this argument. */
function statusOf(argument: string): string {
  for (const pid of readdirSync("/proc").filter((name) => /^\d/.test(name)))
    try {
      const [program, ...words] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      // Not the holder of a detached program, which has its arguments, too.
      if (program === "sh" && words.includes(argument))
        return readFileSync(`/proc/${pid}/status`, "utf8").replaceAll("\t", " ");
    } catch (error) {
      // It has ended meanwhile.
      if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  throw new Error(`no shell has the argument ${argument}`);
}

describe("a container with extra lines in its map of ids", () => {
  it(
    "has these ids of the host, in its files and its programs, and over a restart, and none of them is on disk",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      const instance = await host.create({ driver: "lxc", name: "extra", image, lxc });
      const { uuid, idmap } = await instance.inspect();
      const { base } = idmap as Idmap;
      expect(idmap).toEqual({ base, count: 65_536, extra: EXTRA });
      await instance.start();

      const map = async (of: "uid" | "gid") => (await instance.run(["cat", `/proc/self/${of}_map`])).stdout;
      const numbers = (text: string) =>
        text
          .trim()
          .split("\n")
          .map((line) => line.trim().split(/\s+/).map(Number));
      const account = [
        [0, base, 1000],
        [1000, 1000, 1],
      ];
      expect(numbers(await map("uid"))).toEqual([...account, [1001, base + 1001, 64_535]]);
      expect(numbers(await map("gid"))).toEqual([
        ...account,
        [1001, base + 1001, 999],
        [2000, 54_321, 1],
        [2001, base + 2001, 63_535],
      ]);

      await instance.run(["sh", "-c", "for id in 1000:2000 1001:1001; do echo x >/$id; chown $id /$id; done"]);
      await instance.run(["sh", "-c", "echo x >/home/app/own"], { user: "app" });
      await instance.files.write("/pushed", "y", { uid: 1000, gid: 2000 });
      const paths = ["/home/app", "/home/app/own", "/1000:2000", "/1001:1001", "/pushed", "/bin"];
      const inside = ["1000:1000", "1000:1000", "1000:2000", "1001:1001", "1000:2000", "0:0"];
      const others = `${base + 1001}:${base + 1001}`;
      const outside = ["1000:1000", "1000:1000", "1000:54321", others, "1000:54321", `${base}:${base}`];
      const assertOwners = async () => {
        expect((await instance.run(["stat", "-c", "%u:%g", ...paths])).stdout.trim().split("\n")).toEqual(inside);
        const seen = await Promise.all(paths.map((path) => instance.files.stat(path)));
        expect(seen.map(({ uid, gid }) => `${uid}:${gid}`)).toEqual(inside);
        expect(paths.map((path) => ownerOf(onHost(uuid, path)))).toEqual(outside);
      };
      await assertOwners();
      const upper = join(root, "names/extra/root/upper");
      expect([1, 2, 3, 4].map((at) => ownerOf(join(upper, paths[at] ?? "")))).toEqual(inside.slice(1, 5));

      await instance.stop({ mode: "kill" });
      await instance.start();
      await assertOwners();
      await instance.delete();
      expect(readdirSync("/var/lib/pileus-ids").filter((name) => name.endsWith(uuid))).toEqual([]);
    }),
  );

  it(
    "runs what exec starts as that account of the host: with pipes, on a terminal and detached",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using instance = await host.ephemeral({ driver: "lxc", name: "as", image, lxc });
      const { uuid, pid, idmap } = await instance.inspect();
      const base = idmap?.base ?? 0;
      const program = (name: string) => ["sh", "-c", "echo ready >/dev/stdout; read x", `${name}-${uuid}`];
      const assertAccount = (name: string) => {
        const status = statusOf(`${name}-${uuid}`);
        expect(status).toMatch(/^Uid: 1000 1000 1000 1000$/m);
        expect(status).toMatch(/^Gid: 1000 1000 1000 1000$/m);
        expect(status).toMatch(/^Groups: 1000 54321 $/m);
      };
      await using piped = await instance.exec(program("pipes"), { user: "app" });
      expect(String((await piped.stdout[Symbol.asyncIterator]().next()).value)).toBe("ready\n");
      assertAccount("pipes");
      await using terminal = await instance.exec(program("tty"), { user: "app", tty: { columns: 80, rows: 24 } });
      expect(String((await terminal.tty[Symbol.asyncIterator]().next()).value)).toContain("ready");
      assertAccount("tty");
      const sleeping = ["sh", "-c", "echo ready; sleep 2147483647; true", `detached-${uuid}`];
      const detached = await instance.exec(sleeping, { user: "app", detached: true });
      await using attached = await detached.attach();
      expect(String((await attached.output[Symbol.asyncIterator]().next()).value.data)).toBe("ready\n");
      assertAccount("detached");
      expect((await instance.run(["id", "-u"], { user: "1001" })).stdout).toBe("1001\n");
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toContain(`Uid:\t${base}\t`);
    }),
  );

  it(
    "is closed to that account, which can signal what runs as it, but reaches neither its files nor its memory",
    requires([...NEEDS, "binary:setpriv", "binary:nsenter"], async () => {
      const { host, image } = fixture;
      await using instance = await host.ephemeral({ driver: "lxc", name: "closed", image, lxc });
      const { uuid } = await instance.inspect();
      const program = ["sh", "-c", "echo ready; read x", `closed-${uuid}`];
      await using running = await instance.exec(program, { user: "app" });
      await running.stdout[Symbol.asyncIterator]().next();
      const [, pid = ""] = /^Pid: (\d+)$/m.exec(statusOf(`closed-${uuid}`)) ?? [];
      const account = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
      const tried = (...argv: string[]) => spawn([...account, ...argv], { allow: [0, 1, 2] });
      expect((await tried("sh", "-c", `kill -0 ${pid}`)).exitCode).toBe(0);
      for (const argv of [
        ["ls", onHost(uuid, "home/app")],
        ["ls", `/proc/${pid}/root/home/app`],
        ["cat", `/proc/${pid}/environ`],
        ["nsenter", `--user=/proc/${pid}/ns/user`, "true"],
      ])
        expect((await tried(...argv)).exitCode, argv.join(" ")).not.toBe(0);
    }),
  );

  it(
    "shares the account with another, and is refused, with nothing left, if it names ids of another's range",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      await using one = await host.ephemeral({ driver: "lxc", name: "one", image, lxc });
      await using two = await host.ephemeral({ driver: "lxc", name: "two", image, lxc });
      for (const instance of [one, two])
        expect((await instance.run(["stat", "-c", "%u", "/home/app"])).stdout).toBe("1000\n");
      const { base } = (await one.inspect()).idmap as Idmap;
      const before = readdirSync(join(root, "instances"));
      const idmap = { extra: [EXTRA[0], { inside: 5, outside: base + 1 }] };
      await expect(host.create({ driver: "lxc", name: "thief", image, lxc: { idmap } })).rejects.toMatchObject({
        code: "ERR_CONFIG",
        issues: [{ path: ["lxc", "idmap", "extra", 1, "outside"], message: expect.stringContaining("instance of") }],
      });
      expect(readdirSync(join(root, "instances"))).toEqual(before);
    }),
  );
});
