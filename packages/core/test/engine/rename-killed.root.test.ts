import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openHostWith } from "../../src/host.ts";
import { collect } from "../../src/testing/kit/expect.ts";
import { Scripted } from "./scripted.ts";
import { storedNames } from "./stored-names.ts";

let folder: string;
let root: string;
let ends = 0;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-rename-"));
  root = join(folder, "root");
  await writeFile(join(folder, "count"), "1");
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs a process that renames, and kills it after that many milliseconds, if it has not killed itself before. */
async function renaming(step: string, duration?: number): Promise<void> {
  const script = fileURLToPath(new URL("rename-child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, root, step], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  if (duration !== undefined) {
    await setTimeout(duration);
    child.kill("SIGKILL");
  }
  expect((await ended)[1]).toBe("SIGKILL");
}

/** Opens the root, and checks that it has one instance, with one name that everything tells. Returns the name. */
async function oneName(): Promise<string> {
  const parts = storedNames(root);
  await using host = await openHostWith({ root, drivers: [new Scripted().driver()] }, parts);
  await host.doctor();
  const [info, ...others] = await host.list();
  if (info === undefined) throw new Error("no instance");
  expect(others).toEqual([]);
  expect(await readdir(join(root, "names"))).toEqual([info.name]);
  expect(parts.served(info.uuid)).toBe(info.name);
  expect((await host.get(info.name)).name).toBe(info.name);
  // Makes an end of what is told.
  ends += 1;
  const end = `end${ends}`;
  await (await host.get(info.name)).rename(end);
  let name = "n0";
  for (const event of await collect(
    host.watch({ since: "oldest" }),
    (one) => one.type === "renamed" && one.to === end,
  )) {
    if (event.type !== "renamed") continue;
    expect(event.from).toBe(name);
    name = event.to;
  }
  await (await host.get(end)).rename(info.name);
  return info.name;
}

describe("a process that is killed while it renames", () => {
  it.each([
    ["before the network", "n0"],
    ["after the network", "n0"],
  ])("%s has its name leaves the old name everywhere", async (step, name) => {
    await renaming(step);
    expect(await oneName()).toBe(name);
  });

  it("at random moments leaves one name, which is told from the first to the last", async () => {
    const seed = Date.now() % 1000;
    process.stdout.write(`seed ${seed}\n`);
    for (let round = 0; round < 12; round += 1) {
      await renaming("never", (seed * (round + 1) * 7) % 60);
      expect(await oneName()).toMatch(/^n\d+$/);
    }
  }, 120_000);
});
