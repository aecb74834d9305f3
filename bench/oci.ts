import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { oci, writeOciLayout } from "@pileus/oci";
import { compare, type Row, time } from "./measure.ts";
import { rawEnvironment } from "./raw-environment.ts";

/** `true` in an existing container, from start to its exit code, against lxc-start -F and runc. */
export async function benchOci(folder: string): Promise<Row[]> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  const tar = join(folder, "layer.tar");
  await spawn(["tar", "-C", rootfs, "-cf", tar, "."]);
  await writeOciLayout({
    folder: join(folder, "layout"),
    tag: "true",
    layers: [{ tar }],
    config: { entrypoint: ["/bin/true"] },
  });
  await using host = await openHost({ root: join(folder, "host"), drivers: [oci()] });
  const image = await host.images.import(`oci:${join(folder, "layout")}:true`);
  await using instance = await host.create({ driver: "oci", name: "bench", image });
  const bundle = await runcBundle(folder, rootfs);
  const config = await lxcConfig(folder, rootfs);
  const env = await rawEnvironment(folder);
  try {
    return await compare(
      "run true to exit",
      [
        {
          name: "pileus",
          once: () =>
            time(async () => {
              await instance.start();
              await instance.wait();
            }),
        },
        {
          name: "lxc-start -F",
          once: () =>
            time(() =>
              spawn(
                ["lxc-start", "-F", "--name", "bench-raw", "--lxcpath", folder, "--rcfile", config, "--", "/bin/true"],
                { env },
              ),
            ),
        },
        {
          name: "runc run",
          once: () => time(() => spawn(["runc", "run", "--bundle", bundle, `bench-${process.pid}`])),
        },
      ],
      20,
    );
  } finally {
    await instance.delete();
  }
}

async function runcBundle(folder: string, rootfs: string): Promise<string> {
  const bundle = join(folder, "bundle");
  await mkdir(bundle);
  await spawn(["runc", "spec"], { cwd: bundle });
  await spawn(["cp", "-a", rootfs, join(bundle, "rootfs")]);
  const file = join(bundle, "config.json");
  const { stdout } = await spawn(["cat", file]);
  const spec = JSON.parse(stdout) as { process: { args: string[]; terminal: boolean } };
  spec.process.args = ["/bin/true"];
  spec.process.terminal = false;
  await writeFile(file, JSON.stringify(spec));
  return bundle;
}

async function lxcConfig(folder: string, rootfs: string): Promise<string> {
  const file = join(folder, "raw.conf");
  const lines = [
    `lxc.rootfs.path = dir:${rootfs}`,
    "lxc.rootfs.options = idmap=container",
    "lxc.idmap = u 0 100000 65536",
    "lxc.idmap = g 0 100000 65536",
    "lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed",
    "lxc.tty.max = 0",
    "lxc.apparmor.profile = unconfined",
    "lxc.net.0.type = empty",
    "lxc.console.path = none",
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}
