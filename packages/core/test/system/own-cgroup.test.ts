import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { CommandError } from "../../src/errors/all.ts";
import { CgroupLayout } from "../../src/system/cgroup.ts";
import {
  cgroupFailure,
  findCgroupMaker,
  findCgroupPlace,
  inOwnCgroup,
  ownCgroupFolders,
  removeOwnCgroup,
} from "../../src/system/own-cgroup.ts";
import { spawn } from "../../src/system/spawn.ts";

const ARGV = ["printf", "%s,", "a b", "--", "$HOME"];

const layout = (...paths: readonly string[]) =>
  new CgroupLayout(new Map(paths.map((path) => [path, { version: 1, path, root: "/" }])), undefined);

describe("the place for cgroups of our own", () => {
  const root = { isRoot: true, hasSystemd: false };

  it("is a scope of systemd, or the root of each tree that can be written to", () => {
    expect(findCgroupPlace(layout("/tmp"), { ...root, hasSystemd: true })).toEqual({ kind: "scope" });
    const place = findCgroupPlace(layout("/nowhere", "/tmp"), root);
    expect(place).toEqual({ kind: "folders", mounts: ["/tmp"] });
  });

  it("is made by systemd only where that runs the host and can be asked", () => {
    const hasSystemd = (folder: string, tool?: string) =>
      findCgroupMaker(
        (path) => path === folder,
        () => tool,
      ).hasSystemd;
    expect(hasSystemd("/run/systemd/system", "/usr/bin/systemd-run")).toBe(true);
    // Of elogind, for example.
    expect(hasSystemd("/run/systemd", "/usr/bin/systemd-run")).toBe(false);
    expect(hasSystemd("/run/systemd/system")).toBe(false);
  });

  it.each([
    ["only root may make one", layout("/tmp"), { isRoot: false, hasSystemd: true }],
    ["they are read-only here", layout("/nowhere"), root],
    ["none is mounted", layout(), root],
  ])("does not exist, and a program stays in our cgroup: %s", (reason, mounted, maker) => {
    const place = findCgroupPlace(mounted, maker);
    expect(place).toEqual({ kind: "none", reason });
    expect(inOwnCgroup("one", ARGV, place)).toBe(ARGV);
  });
});

it("has folders in each tree for what enters them itself, also where systemd runs the host", () => {
  const euid = vi.spyOn(process, "geteuid").mockReturnValue(0);
  onTestFinished(() => euid.mockRestore());
  expect(ownCgroupFolders("one", layout("/tmp", "/nowhere", "/var/tmp"))).toEqual(["/tmp/one", "/var/tmp/one"]);
  euid.mockReturnValue(1000);
  expect(ownCgroupFolders("one", layout("/tmp"))).toEqual([]);
});

describe("the command line of a program in a cgroup of its own", () => {
  let mounts: string[];
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pileus-cgroup-"));
    mounts = [join(folder, "unified"), join(folder, "cpuset")];
    for (const mount of mounts) await mkdir(mount);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const run = (argv: readonly string[]) => execFileSync(argv[0] as string, argv.slice(1), { encoding: "utf8" });

  it("enters the cgroup of each mount, and then becomes the program with the same arguments", async () => {
    expect(run(inOwnCgroup("one", ARGV, { kind: "folders", mounts }))).toBe("a b,--,$HOME,");
    const pids = await Promise.all(mounts.map((mount) => readFile(join(mount, "one", "cgroup.procs"), "utf8")));
    expect(pids[0]).toMatch(/^\d+\n$/);
    expect(pids[1]).toBe(pids[0]);
    // A process enters no cpuset of version 1 without processors and memory: a set of its parent's.
    const [, cpuset = ""] = mounts;
    for (const set of ["cpuset.cpus", "cpuset.mems"]) {
      await writeFile(join(cpuset, set), "0-3\n");
      await writeFile(join(cpuset, "one", set), "\n");
    }
    run(inOwnCgroup("one", ARGV, { kind: "folders", mounts }));
    expect(await readFile(join(cpuset, "one", "cpuset.cpus"), "utf8")).toBe("0-3\n");
    expect(await readdir(join(mounts[0] ?? "", "one"))).toEqual(["cgroup.procs"]);
  });

  it("does not become the program when it cannot enter the cgroup", async () => {
    const inFolder = () => inOwnCgroup("one", ["sh", "-c", "echo ran >&2"], { kind: "folders", mounts: [folder] });
    await mkdir(join(folder, "one", "cgroup.procs"), { recursive: true });
    expect(() => run(inFolder())).toThrow(/one cannot be made or entered\n$/);
    await writeFile(join(folder, "file"), "");
    const argv = inOwnCgroup("one", ["sh", "-c", "echo ran"], { kind: "folders", mounts: [join(folder, "file")] });
    expect(() => run(argv)).toThrow(/Not a directory/);
    const failure = await spawn(argv).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CommandError);
    expect(cgroupFailure("serve", failure)).toMatchObject({
      code: "ERR_HOST",
      missing: [{ need: "cgroup", reason: `no cgroup of its own: ${folder}/file/one cannot be made or entered` }],
      cause: failure,
    });
  });

  it("leaves no cgroup in any of the mounts when it is removed, and others alone", async () => {
    for (const mount of mounts)
      for (const name of ["one/below", "one.more"]) await mkdir(join(mount, name), { recursive: true });
    for (let time = 0; time < 2; time++) await removeOwnCgroup("one", layout(...mounts));
    for (const mount of mounts) expect(await readdir(mount)).toEqual(["one.more"]);
  });

  it("tells a scope that systemd does not make from a failure of the program", () => {
    const failed = (stderr: string) =>
      new CommandError({ argv: ["systemd-run"], exitCode: 1, signal: undefined, stderr });
    for (const reason of [
      "Failed to start transient scope unit: Unit one-00000000.scope already exists.",
      "Failed to connect to bus: No such file or directory",
      "Failed to connect to system scope bus via local transport: Connection refused",
    ])
      expect(cgroupFailure("serve", failed(`${reason}\n`))).toMatchObject({ code: "ERR_HOST", missing: [{ reason }] });
    for (const error of [failed('qemu: Failed to get "write" lock\n'), failed(""), new Error("other")])
      expect(cgroupFailure("serve", error)).toBe(error);
  });

  it("asks systemd for a scope with another name at each call, which no shutdown ends before the rest of the host", () => {
    const [one, other] = [inOwnCgroup("one", ARGV, { kind: "scope" }), inOwnCgroup("one", ARGV, { kind: "scope" })];
    expect(one).toEqual([
      ..."systemd-run --scope --quiet --collect".split(" "),
      expect.stringMatching(/^--unit=one-[0-9a-f]{8}\.scope$/),
      ..."--slice=system.slice --property=DefaultDependencies=no --".split(" "),
      ...ARGV,
    ]);
    expect(other).not.toEqual(one);
  });
});
