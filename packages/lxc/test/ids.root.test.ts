import { chownSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Idmap, openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

/** The map of ids as a program inside reads it. */
async function mapInside(instance: { run(argv: string[]): Promise<{ readonly stdout: string }> }) {
  const { stdout } = await instance.run(["cat", "/proc/self/uid_map", "/proc/self/gid_map"]);
  return stdout.trim().split(/\s+/).map(Number);
}

const overlap = (a: Idmap, b: Idmap) => a.base < b.base + b.count && b.base < a.base + a.count;

/** The folder of an instance that its programs write to, as it is on disk. */
const upper = (root: string, name: string) => join(root, "names", name, "root/upper");

/** Calls a program of the host as a user that has only these ids. */
const as = (id: number, ...argv: string[]) =>
  spawn(["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups", ...argv], { allow: [0, 1, 2] });

describe("the ids of a container", () => {
  it(
    "are its own: those inside are not those of another, and on disk they are the ids inside",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      await using a = await host.ephemeral({ driver: "lxc", name: "a", image });
      await using b = await host.ephemeral({ driver: "lxc", name: "b", image });
      const [one, other] = [(await a.inspect()).idmap, (await b.inspect()).idmap] as [Idmap, Idmap];
      expect(overlap(one, other)).toBe(false);
      expect(await mapInside(a)).toEqual([0, one.base, 65_536, 0, one.base, 65_536]);
      expect(await mapInside(b)).toEqual([0, other.base, 65_536, 0, other.base, 65_536]);
      await a.run(["sh", "-c", "echo x >/srv-file; mkdir /srv-dir; chown 7:8 /srv-dir; rm /etc/passwd"]);
      await a.files.write("/pushed", "y", { uid: 5, gid: 6 });
      expect(await a.files.stat("/srv-dir")).toMatchObject({ uid: 7, gid: 8 });
      expect((await a.run(["stat", "-c", "%u:%g", "/pushed", "/srv-file", "/"])).stdout).toBe("5:6\n0:0\n0:0\n");
      const onDisk = (name: string) => lstatSync(join(upper(root, "a"), name));
      expect([onDisk("srv-file").uid, onDisk("srv-dir").uid, onDisk("pushed").gid]).toEqual([0, 7, 6]);
    }),
  );

  it(
    "are kept over stops and starts, and given back by the deletion",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      const instance = await host.create({ driver: "lxc", name: "kept", image });
      const { idmap } = await instance.inspect();
      await instance.start();
      await instance.run(["sh", "-c", "echo x >/file"]);
      await instance.stop({ mode: "kill" });
      await instance.start();
      expect((await mapInside(instance))[1]).toBe(idmap?.base);
      const { uuid } = await instance.inspect();
      const claim = `/var/lib/pileus-ids/${idmap?.base}-65536-${uuid}`;
      expect(readlinkSync(claim)).toBe(join(root, "instances", uuid, "instance.json"));
      await instance.delete();
      expect(lstatSync(claim, { throwIfNoEntry: false })).toBeUndefined();
    }),
  );

  it(
    "are new ones at the next start if a user of the host has got the old ones, and its files keep their owners inside",
    requires([...NEEDS, "binary:unshare"], async () => {
      const { root, host, image } = fixture;
      const instance = await host.create({ driver: "lxc", name: "moved", image });
      const before = (await instance.inspect()).idmap as Idmap;
      await instance.start();
      await instance.run(["sh", "-c", "echo mine >/file; chown 7:8 /file"]);
      await instance.stop({ mode: "kill" });
      const program = "cat /file; stat -c %u:%g /file";
      const said = JSON.parse(await withSubuid(`anna:${before.base + 65_535}:10\n`, "start", root, "moved", program));
      expect(said.stdout).toBe("mine\n7:8\n");
      expect(overlap(said.idmap, before)).toBe(false);
      expect((await instance.inspect()).idmap).toEqual(said.idmap);
      await instance.delete();
    }),
  );

  it(
    "are refused, naming the line, if /etc/subuid cannot be read, and nothing is left",
    requires([...NEEDS, "binary:unshare"], async () => {
      const { root, image } = fixture;
      const text = "anna:100000:65536\nbert\n";
      expect(await withSubuid(text, "create", root, "none", image.fingerprint)).toMatch(
        /^ERR_HOST .*file:\/etc\/subuid \(line 2 is not user:first id:number of ids: "bert"; fix: /,
      );
      expect(readdirSync(join(root, "instances"))).toEqual([]);
      expect(await leftovers(root)).toEqual([]);
    }),
  );

  it(
    "are as the configuration says: shared, from a base, more than usual",
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      await using a = await host.ephemeral({ driver: "lxc", name: "s1", image, lxc: { idmap: "shared" } });
      await using b = await host.ephemeral({ driver: "lxc", name: "s2", image, lxc: { idmap: "shared" } });
      expect((await a.inspect()).idmap).toEqual((await b.inspect()).idmap);
      expect(await mapInside(a)).toEqual(await mapInside(b));
      // Beyond those that are chosen; other runs of this test have others.
      const base = 1_900_000_000 + (process.pid % 500) * 400_000;
      const idmap = { base, size: 200_000 };
      await using c = await host.ephemeral({ driver: "lxc", name: "own", image, lxc: { idmap } });
      expect((await mapInside(c)).slice(0, 3)).toEqual([0, base, 200_000]);
      await c.run(["sh", "-c", "echo x >/file; chown 150000 /file"]);
      expect((await c.files.stat("/file")).uid).toBe(150_000);
      const taken = host.create({ driver: "lxc", name: "late", image, lxc: { idmap: { base: base + 100_000 } } });
      await expect(taken).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path: ["lxc", "idmap", "base"] }] });
    }),
  );

  it(
    "never overlap, though two processes with roots of their own create twenty each at the same time",
    requires(NEEDS, async () => {
      const folder = await mkdtemp(join(tmpdir(), "pileus-lxc-many-"));
      const script = fileURLToPath(new URL("support/create-many.ts", import.meta.url));
      const roots = [join(folder, "one"), join(folder, "two")];
      try {
        const made = await Promise.all(
          roots.map(async (root) => {
            const node = [
              process.execPath,
              "--import",
              "tsx",
              "--conditions=@pileus/source",
              script,
              root,
              "many",
              "20",
            ];
            return JSON.parse((await spawn(node, { cwd: import.meta.dirname })).stdout) as Idmap[];
          }),
        );
        const all = made.flat().toSorted((a, b) => a.base - b.base);
        expect(all).toHaveLength(40);
        for (const [i, range] of all.slice(1).entries()) expect(overlap(all[i] as Idmap, range)).toBe(false);
        for (const root of roots) {
          await using host = await openHost({ root, drivers: [lxc()] });
          for (const { name } of await host.list()) await (await host.get(name)).delete();
          expect(await leftovers(root)).toEqual([]);
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    }),
    240_000,
  );
});

describe("a user of the host", () => {
  it(
    "with the first range that useradd gives reaches neither the files of a container nor its processes",
    requires([...NEEDS, "binary:setpriv"], async () => {
      const { host, image } = fixture;
      await using instance = await host.ephemeral({ driver: "lxc", name: "closed", image });
      const { pid, uuid } = await instance.inspect();
      const [lxcpath] = readdirSync("/run/pileus").filter((name) => name.endsWith(`-${uuid}`));
      const path = join("/run/pileus", lxcpath ?? "");
      for (const id of [1000, 100_000, 165_535]) {
        expect((await as(id, "ls", "/run/pileus")).stderr).toContain("Permission denied");
        expect((await as(id, "ls", path)).stderr).toContain("Permission denied");
        expect((await as(id, "ls", join(path, "rootfs"))).stderr).toContain("Permission denied");
        expect((await as(id, "sh", "-c", `kill -0 ${pid}`)).exitCode).not.toBe(0);
      }
      expect(lstatSync(path)).toMatchObject({ uid: 0, mode: 0o40710 });
    }),
  );
});

describe("a container of a release that gave no ids of its own", () => {
  it(
    "starts with the ids that its files have, and doctor() reports it",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      const instance = await host.create({ driver: "lxc", name: "old", image });
      await instance.start();
      await instance.run(["sh", "-c", "echo mine >/file; chown 7:8 /file"]);
      await instance.stop({ mode: "kill" });
      // As that release left it.
      const path = join(root, "names/old/instance.json");
      const { idmap, ...record } = JSON.parse(readFileSync(path, "utf8"));
      writeFileSync(path, JSON.stringify(record));
      shift(join(root, "names/old/root"), 100_000);
      await using later = await openHost({ root, drivers: [lxc()] });
      const old = await later.get("old", { driver: "lxc" });
      await old.start();
      expect((await mapInside(old)).slice(0, 3)).toEqual([0, 100_000, 65_536]);
      expect((await old.run(["sh", "-c", "cat /file; stat -c %u:%g /file /"])).stdout).toBe("mine\n7:8\n0:0\n");
      expect((await old.inspect()).idmap).toBeUndefined();
      expect(String(await later.doctor())).toMatch(
        /instance "old": an earlier release created it with ids of the host/,
      );
      await old.delete();
    }),
  );
});

/** Moves the owners of a tree, except those of the host's root that no map has. */
function shift(folder: string, by: number): void {
  for (const entry of ["upper", ...readdirSync(join(folder, "upper"), { recursive: true }).map((e) => `upper/${e}`)]) {
    const { uid, gid } = lstatSync(join(folder, entry));
    if (uid < 65_536) chownSync(join(folder, entry), uid + by, gid + by);
  }
}

/** Runs support/act.ts on a host with this text as /etc/subuid and /etc/subgid. */
async function withSubuid(text: string, ...args: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-subuid-"));
  try {
    for (const name of ["subuid", "subgid"]) await writeFile(join(folder, name), text);
    const shell = `mount -t overlay overlay -o lowerdir=${folder}:/etc /etc && exec "$@"`;
    const script = fileURLToPath(new URL("support/act.ts", import.meta.url));
    const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", script, ...args];
    return (await spawn(["unshare", "--mount", "sh", "-c", shell, "sh", ...node], { cwd: import.meta.dirname })).stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}
