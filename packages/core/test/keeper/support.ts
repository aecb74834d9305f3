import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { Keeper } from "../../src/keeper/keeper.ts";
import { type KeeperFolders, type LaunchKeeperOptions, launchKeeper } from "../../src/keeper/launch.ts";
import type { KeeperOrder } from "../../src/keeper/order.ts";

export { shell } from "./support-order.ts";

/** Folders for runs, which are removed after each test. */
export function places(): () => KeeperFolders {
  const made: string[] = [];
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
  });
  return () => {
    const folder = mkdtempSync(join(tmpdir(), "pileus-keeper-"));
    made.push(folder);
    const folders = { run: join(folder, "run"), log: join(folder, "log") };
    for (const path of Object.values(folders)) mkdirSync(path);
    return folders;
  };
}

/** Runs a program with a keeper. */
export async function keep(folders: KeeperFolders, order: KeeperOrder, options?: LaunchKeeperOptions): Promise<Keeper> {
  const launched = await launchKeeper(folders, order, options);
  return await launched.begin();
}

/** The entries of the newest file of a log: docs/design/0015-keeper.md. */
export function entries(log: string) {
  const lines = readFileSync(join(log, "output.log"), "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const found = /^(\S{29}Z) (stdout|stderr|console|keeper) ([FP]) (.*)$/s.exec(line);
    if (found === null) throw new Error(`not an entry: ${line}`);
    const [, time = "", stream = "", tag = "", content = ""] = found;
    return { time, stream, tag, content };
  });
}
