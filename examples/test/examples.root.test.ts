import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lacking, requires } from "@pileus/core/testing";
import { writeOciLayout } from "@pileus/oci";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debianTar } from "../../test-support/debian.ts";
import { runExample } from "./support/run-example.ts";

/** Long enough for a Debian to be bootstrapped and booted under emulation. */
const TIMEOUT = 300_000;

let folder: string;

const NEEDS = ["root", "binary:lxc-start", "binary:mmdebstrap", "binary:qemu-system-x86_64"] as const;

beforeAll(async () => {
  if (NEEDS.every((need) => lacking(need) === undefined)) await debianTar();
  folder = await mkdtemp(join(tmpdir(), "pileus-examples-"));
  await mkdir(join(folder, "source"));
  await writeFile(join(folder, "source", "one"), "1\n");
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (example: string, argv: readonly string[] = [], allow: readonly number[] = [0]): Promise<string> =>
  runExample(example, { argv, allow, cwd: folder });

describe("examples", { timeout: TIMEOUT }, () => {
  it(
    "01 runs the same call in a system container and in a virtual machine",
    requires(NEEDS, async () => {
      const output = await run("01-run-anywhere.ts");
      expect(output).toMatch(/the same call, in a system-container\n/);
      expect(output).toMatch(/the same call, in a virtual-machine\n/);
      expect(output.match(/kind: 'exited', code: 0/g)).toHaveLength(2);
    }),
  );

  it(
    "02 pushes a folder, works on it and pulls the result",
    requires(NEEDS, async () => {
      const output = await run("02-share-files.ts", [join(folder, "source"), join(folder, "sums")]);
      expect(output).toContain("1 ../sums");
      expect(await readFile(join(folder, "sums"), "utf8")).toMatch(/^[0-9a-f]{64} {2}\.\/one\n$/);
    }),
  );

  it(
    "02, 03 and 06 print their usage before they do anything",
    requires(["root"], async () => {
      for (const [example, usage] of [
        ["02-share-files.ts", "usage: 02-share-files.ts FOLDER RESULT"],
        ["03-run-image.ts", "usage: 03-run-image.ts REFERENCE"],
        ["06-box-image.ts", "usage: 06-box-image.ts REFERENCE PROGRAM"],
      ] as const)
        await expect(run(example)).rejects.toMatchObject({ stderr: expect.stringContaining(usage) });
    }),
  );

  it(
    "03 runs an image to its end and prints how it ended",
    requires([...NEEDS, "binary:skopeo"], async () => {
      const layout = join(folder, "layout");
      await writeOciLayout({ folder: layout, tag: "debian", layers: [{ tar: await debianTar() }] });
      const output = await run("03-run-image.ts", [`oci:${layout}:debian`, "sh", "-c", "echo from inside; exit 4"]);
      expect(output).toContain("from inside\n");
      expect(output).toContain("program { kind: 'exited', code: 4 }");
    }),
  );

  it(
    "04 finds after a crash what the first run left",
    requires(NEEDS, async () => {
      expect(await run("04-survive-a-crash.ts", [], [137])).toMatch(/left behind: \d+/);
      expect(await run("04-survive-a-crash.ts")).toContain("found: running written before the crash");
    }),
  );

  it(
    "05 prints every event of an instance",
    requires([], async () => {
      const output = await run("05-watch-events.ts");
      expect(output).toMatch(
        /created demo[\s\S]*state demo running[\s\S]*hello[\s\S]*state demo stopped[\s\S]*deleted demo/,
      );
    }),
  );

  it(
    "07 follows what an instance prints until it ends",
    requires([], async () => {
      const output = await run("07-follow-logs.ts");
      expect(output).toMatch(/^\S+Z one\n\S+Z two\n\S+Z three\n\{ kind: 'exited', code: 0 \} after \d+ ms\nthree\n$/);
    }),
  );

  it(
    "08 reads a program that outlives its starter",
    requires([], async () => {
      const output = await run("08-detach-a-program.ts");
      const said = ["stdout from byte 0: one", "stderr from byte 4: two", "{ kind: 'exited', code: 3 }"];
      expect(output).toMatch(/^echo one; .* is running\n/);
      expect(output.split("\n").slice(1)).toEqual([...said, ""]);
    }),
  );

  it(
    "09 changes the limits of what runs",
    requires([], async () => {
      const output = await run("09-change-limits.ts");
      const said = ["limits.memory is live", "env is next-start", "it may use 134217728 bytes"];
      const last = ["configured { CACHE: '100MiB' } and running with {}", "it may use any number of bytes"];
      expect(output.split("\n")).toEqual([...said, ...last, ""]);
    }),
  );

  it(
    "10 shares a folder with a container",
    requires([...NEEDS, "binary:lxc-start"], async () => {
      const output = await run("10-share-a-folder.ts");
      const said = ["inside: 1 /src/main.c", "a write ends with 1", "on the host: 25 bytes"];
      // The shell becomes sleep a moment later.
      const users = expect.stringMatching(/^in use by \((sh|sleep)\)$/);
      expect(output.split("\n")).toEqual([...said, users, "detached: []", ""]);
    }),
  );

  it(
    "06 runs a program in a sandbox that is made from an image",
    requires([...NEEDS, "binary:skopeo"], async () => {
      const layout = join(folder, "box-layout");
      await writeOciLayout({ folder: layout, tag: "debian", layers: [{ tar: await debianTar() }] });
      const output = await run("06-box-image.ts", [`oci:${layout}:debian`, "sh", "-c", "echo boxed; exit 4"]);
      expect(output).toMatch(/^swept: \[\]\nboxed\nexit code: 4\n$/);
    }),
  );
});
