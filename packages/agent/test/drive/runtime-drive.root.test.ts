import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Spawn, spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { agentCommand, buildRuntimeDrive } from "../../src/index.ts";

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
    requires([...NEEDS, "binary:unsquashfs"], async () => {
      const path = await buildRuntimeDrive({ folder });
      const drive = join(folder, "drive");
      execFileSync("unsquashfs", ["-q", "-n", "-d", drive, path]);
      const [linker = "", ...rest] = agentCommand(drive);
      // Asks the linker what it would load: each library must be on the drive.
      const listed = execFileSync(linker, ["--list", ...rest.slice(0, 3)], { encoding: "utf8", env: {} });
      for (const [, file] of listed.matchAll(/=> (\S+)/g)) expect(file).toMatch(new RegExp(`^${drive}/lib/`));
      const argv = [...rest.slice(0, 3), "-e"];
      const load = `process.dlopen({ exports: {} }, "${drive}/koffi.node"); console.log("loaded")`;
      expect(execFileSync(linker, [...argv, load], { encoding: "utf8", env: {} })).toBe("loaded\n");
      expect(execFileSync(join(drive, "bin/busybox"), ["echo", "here"], { encoding: "utf8" })).toBe("here\n");
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
    "keeps, beside a new drive, the two that were used last and files that are no drives",
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
