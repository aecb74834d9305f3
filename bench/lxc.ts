import { join } from "node:path";
import { openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";
import { compare, type Row, time } from "./measure.ts";
import { rawContainer } from "./raw-container.ts";

/** start, stop and exec of a BusyBox container, against the tools of liblxc on the same root file system. */
export async function benchLxc(folder: string): Promise<Row[]> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
  const image = await host.images.import(rootfs);
  await using instance = await host.create({ driver: "lxc", name: "bench", image });
  const { argv, env } = await rawContainer(folder, rootfs);
  const raw = {
    start: () => spawn(argv.start, { env }),
    stop: () => spawn(argv.stop, { env, allow: [0, 2] }),
    exec: () => spawn(argv.exec, { env }),
  };
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
    const stop = await compare(
      "stop by a kill",
      [
        {
          name: "pileus",
          once: async () => {
            await instance.start();
            return time(() => instance.stop({ mode: "kill" }));
          },
        },
        {
          name: "lxc-stop --kill",
          once: async () => {
            await raw.start();
            return time(raw.stop);
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
    return [...start, ...stop, ...exec];
  } finally {
    await raw.stop();
    await instance.delete();
  }
}
