import { existsSync } from "node:fs";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { processArguments } from "@pileus/core/driver";
import { cgroupsOf } from "../../../../test-support/cgroups.ts";

/** What is left on this machine of any container of a root: processes, mounts, cgroups, liblxc's locks, ids. */
export async function leftovers(root: string): Promise<readonly string[]> {
  const id = await hostId(root);
  return [
    ...(await processesOf(id)),
    ...(await mountsOf(id)),
    ...(await cgroupsOf(id)),
    ...(await idsOf(root)),
    ...(await entries("/run/pileus", (name) => name.startsWith(`${id}-`))),
    ...(await entries("/run/lxc/lock/run/pileus", (name) => name.startsWith(`${id}-`))),
  ];
}

async function hostId(root: string): Promise<string> {
  const text = await readFile(join(root, "host.json"), "utf8");
  return (JSON.parse(text) as { id: string }).id;
}

async function processesOf(id: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const argv = (await processArguments(pid)) ?? [];
      return /lxc-|pileus-/.test(argv[0] ?? "") && argv.some((argument) => argument.includes(`/${id}-`))
        ? [argv.join(" ")]
        : [];
    }),
  );
  return found.flat().map((argv) => `process ${argv}`);
}

async function mountsOf(id: string): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.filter((line) => line.includes(id)).map((line) => `mount ${line.split(" ")[4]}`);
}

/** The ranges of ids that this machine still notes for an instance of the root that is gone. */
async function idsOf(root: string): Promise<readonly string[]> {
  const claims = await entries("/var/lib/pileus-ids", (name) => name !== "lock");
  // One of another root may go meanwhile.
  const records = await Promise.all(claims.map((claim) => readlink(claim).catch(() => "")));
  return claims.filter((claim, index) => records[index]?.startsWith(`${root}/`) && !existsSync(claim));
}

async function entries(folder: string, isLeft: (name: string) => boolean): Promise<readonly string[]> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) return [];
  return (await readdir(folder)).filter(isLeft).map((name) => join(folder, name));
}
