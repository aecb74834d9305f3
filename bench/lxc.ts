import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";
import { compare, type Row, time } from "./measure.ts";
import { rawEnvironment } from "./raw-environment.ts";

/** start and exec of a BusyBox container, against lxc-start and lxc-attach on the same root file system. */
export async function benchLxc(folder: string): Promise<Row[]> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
  const image = await host.images.import(rootfs);
  await using instance = await host.create({ driver: "lxc", name: "bench", image });
  const raw = await rawContainer(folder, rootfs);
  try {
    const start = await compare(
      "start",
      [
        {
          name: "pileus",
          once: async () => {
            const elapsed = await time(() => instance.start());
            await instance.stop({ mode: "kill" });
            return elapsed;
          },
        },
        {
          name: "lxc-start",
          once: async () => {
            const elapsed = await time(raw.start);
            await raw.stop();
            return elapsed;
          },
        },
      ],
      15,
    );
    await instance.start();
    await raw.start();
    const exec = await compare(
      "exec true",
      [
        { name: "pileus", once: () => time(() => instance.run(["true"])) },
        { name: "lxc-attach", once: () => time(raw.exec) },
      ],
      40,
    );
    return [...start, ...exec];
  } finally {
    await raw.stop();
    await instance.delete();
  }
}

/** The same container by the tools alone: a plain folder as root, unprivileged, no network. */
async function rawContainer(folder: string, rootfs: string) {
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
    start: () => spawn(["lxc-start", ...at], { env }),
    stop: () => spawn(["lxc-stop", ...at, "--kill"], { env, allow: [0, 2] }),
    exec: () => spawn(["lxc-attach", ...at, "--clear-env", "--", "true"], { env }),
  };
}
