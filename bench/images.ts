import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { compare, type Row, time } from "./measure.ts";

/** An import of a tar, into an empty store, against tar(1) alone: usual files, and very many folders. */
export async function benchImages(folder: string): Promise<Row[]> {
  const files = await makeTar(folder, "files", async (tree) => {
    for (let index = 0; index < 2000; index += 1) {
      await mkdir(join(tree, `f${index % 50}`), { recursive: true });
      await writeFile(join(tree, `f${index % 50}`, String(index)), randomBytes(20_000));
    }
  });
  const folders = await makeTar(folder, "folders", async (tree) => {
    for (let index = 0; index < 80_000; index += 1)
      await mkdir(join(tree, `d${index % 80}`, String(index)), { recursive: true });
  });
  await using host = await openHost({ root: join(folder, "host"), drivers: [] });
  const rows = [];
  for (const [what, tar, rounds] of [
    ["unpack 2,000 files", files, 7],
    ["unpack 80,000 folders", folders, 3],
  ] as const) {
    const target = join(folder, "target");
    const ours = async () => {
      let fingerprint = "";
      const elapsed = await time(async () => {
        ({ fingerprint } = await host.images.import(tar));
      });
      await host.images.delete(fingerprint);
      return elapsed;
    };
    const theirs = async () => {
      await mkdir(target);
      const elapsed = await time(() => spawn(["tar", "-xf", tar, "-C", target]));
      await rm(target, { recursive: true });
      return elapsed;
    };
    rows.push(
      ...(await compare(
        what,
        [
          { name: "pileus", once: ours },
          { name: "tar -xf", once: theirs },
        ],
        rounds,
      )),
    );
  }
  return rows;
}

/** Makes a tar of a BusyBox root with more in it. */
async function makeTar(folder: string, name: string, fill: (tree: string) => Promise<void>): Promise<string> {
  const tree = join(folder, name);
  await makeBusyboxRootfs(tree);
  await fill(tree);
  const tar = `${tree}.tar`;
  await spawn(["tar", "-C", tree, "-cf", tar, "."]);
  await rm(tree, { recursive: true });
  return tar;
}
