import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";
import { compare, type Row, type Subject, time } from "./measure.ts";

const ROUNDS = 9;
const LARGE = 256 * 2 ** 20;
const FOLDERS = 200;
const FILES = 100;

/** Pulls from a BusyBox container, against cp -a and tar on the same tree of the host. */
export async function benchFiles(folder: string): Promise<Row[]> {
  const trees = { "pull of 256 MiB": join(folder, "large"), "pull of 20,000 files": join(folder, "many") };
  await mkdir(trees["pull of 256 MiB"], { recursive: true });
  await writeFile(join(trees["pull of 256 MiB"], "file"), randomBytes(LARGE));
  for (let i = 0; i < FOLDERS; i += 1) {
    const sub = join(trees["pull of 20,000 files"], `folder-${i}`);
    await mkdir(sub, { recursive: true });
    for (let j = 0; j < FILES; j += 1) await writeFile(join(sub, `file-${j}`), randomBytes(200 + 40 * j));
  }
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
  const image = await host.images.import(rootfs);
  await using instance = await host.create({ driver: "lxc", name: "bench-files", image });
  await instance.start();
  try {
    const rows: Row[] = [];
    for (const [what, tree] of Object.entries(trees)) {
      await instance.files.push(tree, "/root/tree");
      const copy = join(folder, "copy");
      const subject = (name: string, make: () => Promise<unknown>): Subject => ({
        name,
        async once() {
          const elapsed = await time(make);
          await rm(copy, { recursive: true });
          return elapsed;
        },
      });
      const pipe = `mkdir "$2" && tar -C "$1" -cf - . | tar -C "$2" -xf -`;
      const subjects = [
        subject("pileus", () => instance.files.pull("/root/tree", copy)),
        subject("cp -a", () => spawn(["cp", "-a", tree, copy])),
        subject("tar | tar", () => spawn(["sh", "-c", pipe, "sh", tree, copy])),
      ] as const;
      rows.push(...(await compare(what, subjects, ROUNDS)));
      await instance.files.remove("/root/tree", { recursive: true });
    }
    return rows;
  } finally {
    await instance.delete();
  }
}
