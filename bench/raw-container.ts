import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { rawEnvironment } from "./raw-environment.ts";

/** The same container by the tools alone: a plain folder as root, unprivileged, no network. */
export async function rawContainer(folder: string, rootfs: string) {
  const name = "bench-raw";
  const path = join(folder, "raw");
  const copy = join(path, name, "rootfs");
  await mkdir(join(path, name), { recursive: true });
  await spawn(["cp", "-a", rootfs, copy]);
  await writeFile(
    join(path, name, "config"),
    [
      `lxc.uts.name = ${name}`,
      `lxc.rootfs.path = dir:${copy}`,
      "lxc.rootfs.options = idmap=container",
      "lxc.idmap = u 0 100000 65536",
      "lxc.idmap = g 0 100000 65536",
      "lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed",
      "lxc.tty.max = 0",
      "lxc.pty.max = 1024",
      "lxc.apparmor.profile = unconfined",
      "lxc.net.0.type = empty",
      "lxc.init.cmd = /sbin/init",
      "",
    ].join("\n"),
  );
  const env = await rawEnvironment(folder);
  const at = ["--name", name, "--lxcpath", path];
  return {
    env,
    argv: {
      start: ["lxc-start", ...at],
      /** Exits with 2 if it does not run. */
      stop: ["lxc-stop", ...at, "--kill"],
      exec: ["lxc-attach", ...at, "--clear-env", "--", "true"],
    },
  } as const;
}
