import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requires } from "../../src/testing/requires.ts";
import { scriptedRoot } from "./scripted.ts";

const run = (file: string, ...args: string[]) => execFileSync(file, args, { stdio: "ignore" });

/** Writes until nothing more can be written. */
function fillBlocks(folder: string): void {
  const fd = openSync(join(folder, "filling"), "w");
  try {
    for (let size = 65_536; size >= 1; size = Math.floor(size / 2))
      untilFull(() => {
        if (writeSync(fd, Buffer.alloc(size, "x")) < size) throw Object.assign(new Error("full"), { code: "ENOSPC" });
      });
  } finally {
    closeSync(fd);
  }
}

/** Makes files until no more can be made. */
function fillInodes(folder: string): void {
  let count = 0;
  untilFull(() => {
    writeFileSync(join(folder, `filling-${count}`), "");
    count += 1;
  });
}

function untilFull(write: () => void): void {
  try {
    for (;;) write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

const DISKS = [
  { name: "tmpfs without a block", fill: fillBlocks, mount: tmpfs("size=1m"), left: "bavail" },
  { name: "tmpfs without an inode", fill: fillInodes, mount: tmpfs("size=8m,nr_inodes=200"), left: "ffree" },
  { name: "ext4 without a block", fill: fillBlocks, mount: ext4, left: "bavail" },
  { name: "ext4 without an inode", fill: fillInodes, mount: ext4, left: "ffree" },
] as const;

function tmpfs(options: string) {
  return (folder: string) => run("mount", "-t", "tmpfs", "-o", options, "pileus-test", folder);
}

function ext4(folder: string): void {
  const image = `${folder}.img`;
  writeFileSync(image, "");
  truncateSync(image, 8 * 2 ** 20);
  run("mkfs.ext4", "-q", "-m", "0", "-N", "200", image);
  run("mount", "-o", "loop", image, folder);
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-full-"));
});
afterEach(() => {
  for (const path of [folder, `${folder}.img`]) rmSync(path, { recursive: true, force: true });
});

describe("on a full disk", () => {
  it.for(DISKS)("stops, freezes and deletes what runs: $name", ({ fill, mount, left }, context) =>
    requires(["root"], async () => {
      mount(folder);
      try {
        const place = await scriptedRoot(folder);
        const host = await place.open();
        const config = { driver: "scripted", image: "base", env: { LONG: "x".repeat(2800) } } as const;
        const made = [];
        for (const name of ["a", "b", "c"]) made.push(await host.create({ ...config, name }));
        const [a, b, c] = made as [(typeof made)[0], (typeof made)[0], (typeof made)[0]];
        for (const instance of made) await instance.start();
        fill(folder);
        expect(statfsSync(folder)[left]).toBe(0);
        const full = { code: "ERR_HOST", missing: [{ need: "disk-space" }] };
        await expect(host.create({ ...config, name: "d" })).rejects.toMatchObject(full);
        await a.freeze();
        expect(await a.state()).toBe("frozen");
        await a.unfreeze();
        await a.stop({ mode: "kill" });
        expect(await a.inspect()).toMatchObject({ state: "stopped", exit: { reason: "requested" } });
        await b.stop();
        place.scripted.run("c").end({ kind: "exited", code: 7 });
        expect(await c.wait()).toMatchObject({ reason: "program" });
        for (const name of ["a", "b", "c"])
          expect(
            JSON.parse(await readFile(join(place.root, "instances", name, "instance.json"), "utf8")),
          ).toMatchObject({
            state: "stopped",
          });
        await a.delete();
        await b.delete();
        expect(await readdir(join(place.root, "instances"))).toEqual(["c"]);
        await place.dispose();
      } finally {
        run("umount", folder);
      }
    })(context),
  );
});
