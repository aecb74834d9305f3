import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";

/**
 * An environment in which the tools of liblxc start unprivileged containers for root: newuidmap, where it is on PATH,
 * wants a line for root in /etc/subuid.
 */
export async function rawEnvironment(folder: string): Promise<Readonly<Record<string, string>>> {
  return { PATH: await path(folder), LC_ALL: "C.UTF-8" };
}

async function path(folder: string): Promise<string> {
  const subuid = await readFile("/etc/subuid", "utf8").catch(() => "");
  if (subuid.includes("root:100000:65536")) return "/usr/sbin:/usr/bin:/sbin:/bin";
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  for (const tool of ["lxc-start", "lxc-stop", "lxc-attach", "cp"]) {
    await spawn(["ln", "-sf", `/usr/bin/${tool}`, join(bin, tool)]);
  }
  return bin;
}
