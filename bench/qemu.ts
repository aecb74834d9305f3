import { join } from "node:path";
import { type Instance, openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { qemu } from "@pileus/qemu";
import { cacheFolder } from "../scripts/setup/folders.mjs";
import { compare, type Row, time } from "./measure.ts";

/** What the init of the fixture prints when it runs. */
const MARKER = "init: up";

/** From the start until the agent answers, and until the init of the guest prints its first line. */
export async function benchQemu(folder: string): Promise<Row[]> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [qemu({ cache: cacheFolder() })] });
  const image = await host.images.import(rootfs);
  await using instance = await host.create({ driver: "qemu", name: "bench", image, limits: { memory: "256MiB" } });
  const untilStopped = async (work: () => Promise<void>) => {
    const elapsed = await time(work);
    await instance.stop({ mode: "kill" });
    return elapsed;
  };
  try {
    return await compare(
      "spawn to agent ready",
      [
        { name: "pileus", once: () => untilStopped(() => instance.start().then(() => instance.ready())) },
        { name: "of that, to init", once: () => untilStopped(() => startToInit(instance)) },
      ],
      5,
    );
  } finally {
    await instance.delete();
  }
}

/** Starts it, and waits until its init prints its first line on the console. */
async function startToInit(instance: Pick<Instance<"console">, "start" | "console">): Promise<void> {
  await instance.start();
  const console = await instance.console();
  let printed = "";
  for await (const bytes of console) {
    printed += bytes;
    if (printed.includes(MARKER)) return;
  }
  throw new Error(`the guest ended before its init said "${MARKER}": ${printed}`);
}
