import { execFileSync, spawn as nodeSpawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { type Spawn, spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { agentShellCommand, NODE_COMMAND } from "../../src/guest-setup/paths.ts";
import { buildRuntimeDrive, connectAgent, tryRuntimeDrive } from "../../src/index.ts";

const NEEDS = ["binary:mksquashfs", "binary:busybox"] as const;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-drive-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const images = () => readdirSync(folder).filter((name) => name.endsWith(".squashfs"));

describe("buildRuntimeDrive", () => {
  it(
    "carries an agent that runs without any library of the guest",
    requires(["root", ...NEEDS, "binary:unsquashfs"], async () => {
      const path = await buildRuntimeDrive({ folder });
      const drive = join(folder, "drive");
      execFileSync("unsquashfs", ["-q", "-n", "-d", drive, path]);
      const run = (...argv: string[]) =>
        execFileSync("chroot", [drive, ...argv], { encoding: "utf8", env: { PATH: "/usr/sbin:/usr/bin" } });
      const [linker, ...node] = NODE_COMMAND;
      // Asks the linker what it would load: each library must be on the drive.
      for (const [, file] of run(linker, "--list", ...node).matchAll(/=> (\S+)/g)) expect(file).toMatch(/^\/lib\//);
      const load = `process.dlopen({ exports: {} }, "/koffi.node"); console.log("loaded")`;
      expect(run(...NODE_COMMAND, "-e", load)).toBe("loaded\n");
      expect(run("/bin/busybox", "echo", "here")).toBe("here\n");
    }),
  );

  it(
    "carries an agent that is started with the drive as root, and then works in the root of its guest",
    requires(["root", ...NEEDS, "binary:unsquashfs"], async () => {
      const drive = join(folder, "drive");
      execFileSync("unsquashfs", ["-q", "-n", "-d", drive, await buildRuntimeDrive({ folder })]);
      const socket = join(folder, "agent.sock");
      const script = agentShellCommand(drive).replace("--port pileus.agent", `--socket ${socket}`);
      const agent = nodeSpawn("sh", ["-c", `exec ${script}`], { stdio: ["ignore", "pipe", "inherit"] });
      try {
        await once(agent.stdout, "data");
        await using client = await connectAgent({ connect: () => connect(socket) });
        const request = { argv: ["readlink", "/proc/self/root", "/proc/self/cwd"], env: { PATH: "/usr/bin:/bin" } };
        const { streams, exit } = await client.exec({ ...request, cwd: undefined, user: undefined, tty: undefined });
        expect(await text(streams.kind === "pipes" ? streams.stdout : streams.tty)).toBe("/\n/\n");
        expect(await exit).toEqual({ kind: "exited", code: 0 });
        expect((await client.files.stat(drive, {})).type).toBe("directory");
      } finally {
        agent.kill("SIGKILL");
      }
    }),
  );

  it(
    "is refused with the fix if Node needs other files of this host, or if the binary is not a Node",
    requires(["root", ...NEEDS], async () => {
      const failing: Spawn = (argv, options) => spawn(argv[0] === "chroot" ? ["false"] : argv, options);
      const refusal = (node: string) => ({
        code: "ERR_HOST",
        missing: [{ need: "node", reason: expect.stringContaining(node) }],
      });
      await expect(buildRuntimeDrive({ folder, spawn: failing })).rejects.toMatchObject(refusal(process.execPath));
      await expect(tryRuntimeDrive({ spawn: failing })).rejects.toMatchObject(refusal(process.execPath));
      await expect(buildRuntimeDrive({ folder, node: "/usr/bin/env" })).rejects.toMatchObject(refusal("/usr/bin/env"));
      expect(images()).toEqual([]);
    }),
  );

  it(
    "is tried without being built, once for each set of files, and without a trace",
    requires(["root", ...NEEDS], async () => {
      const temporary = () => readdirSync(tmpdir()).filter((name) => name.startsWith("pileus-runtime-"));
      const before = temporary();
      let tried = 0;
      const counting: Spawn = (argv, options) => {
        if (argv[0] === "chroot") tried += 1;
        return spawn(argv, options);
      };
      expect(await tryRuntimeDrive({ folder, spawn: counting })).toBe(true);
      expect([tried, readdirSync(folder)]).toEqual([1, []]);
      await buildRuntimeDrive({ folder });
      expect(await tryRuntimeDrive({ folder, spawn: counting })).toBe(true);
      expect(tried).toBe(1);
      expect(temporary().filter((name) => !before.includes(name))).toEqual([]);
    }),
  );

  it(
    "is built once for concurrent and later callers, and leaves no other file",
    requires(NEEDS, async () => {
      let built = 0;
      const counting: Spawn = (argv, options) => {
        if (argv[0] === "mksquashfs") built += 1;
        return spawn(argv, options);
      };
      const all = await Promise.all([1, 2, 3].map(() => buildRuntimeDrive({ folder, spawn: counting })));
      expect(new Set([...all, await buildRuntimeDrive({ folder, spawn: counting })]).size).toBe(1);
      expect(built).toBe(1);
      expect(readdirSync(folder).sort()).toEqual([...images(), "runtime.lock"]);
    }),
  );

  it(
    "hands its lock to every tool that works in its folder, so that the next process does not clash with one that is left",
    requires(NEEDS, async () => {
      const held: boolean[] = [];
      const noting: Spawn = (argv, options) => {
        const [descriptor] = options?.descriptors ?? [];
        const file = descriptor === undefined ? undefined : readlinkSync(`/proc/self/fd/${descriptor}`);
        if (argv.some((word) => word.startsWith(folder)))
          held.push(options?.diesWithUs === true && file === join(realpathSync(folder), "runtime.lock"));
        return spawn(argv, options);
      };
      await buildRuntimeDrive({ folder, spawn: noting });
      expect(new Set(held)).toEqual(new Set([true]));
    }),
  );

  it(
    "leaves no file when it is aborted, and removes the files of a killed build",
    requires(NEEDS, async () => {
      mkdirSync(join(folder, ".runtime-killed"));
      writeFileSync(join(folder, ".runtime-killed/half"), "x");
      const abort = new AbortController();
      const reason = new Error("changed my mind");
      const aborting: Spawn = (argv, options) => {
        if (argv[0] === "mksquashfs") abort.abort(reason);
        return spawn(argv, options);
      };
      await expect(buildRuntimeDrive({ folder, spawn: aborting, signal: abort.signal })).rejects.toBe(reason);
      expect(readdirSync(folder)).toEqual(["runtime.lock"]);
    }),
  );

  it(
    "keeps the two drives that were used last beside a new one, and files that are not drives",
    requires(NEEDS, async () => {
      const old = ["a", "b", "c"].map((letter) => `runtime-${letter.repeat(24)}.squashfs`);
      for (const [index, name] of [...old, "runtime-mine.squashfs"].entries()) {
        writeFileSync(join(folder, name), "");
        utimesSync(join(folder, name), 1000 - index, 1000 - index);
      }
      const built = basename(await buildRuntimeDrive({ folder }));
      expect(images()).toEqual([...old.slice(0, 2), built, "runtime-mine.squashfs"].sort());
      utimesSync(join(folder, built), 10, 10);
      await buildRuntimeDrive({ folder });
      expect(statSync(join(folder, built)).mtimeMs).toBeGreaterThan(1_000_000);
    }),
  );

  it(
    "reports a failing mksquashfs, and leaves no file",
    requires(NEEDS, async () => {
      const failing: Spawn = (argv, options) => spawn(argv[0] === "mksquashfs" ? ["false"] : argv, options);
      await expect(buildRuntimeDrive({ folder, spawn: failing })).rejects.toMatchObject({
        code: "ERR_COMMAND",
      });
      expect(images()).toEqual([]);
    }),
  );
});
