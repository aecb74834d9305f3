import { type ChildProcess, spawn as start } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { readFile, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { qemu } from "@pileus/qemu";
import { cacheFolder } from "../scripts/setup/folders.mjs";
import { compare, type Row, time } from "./measure.ts";

/** What the init of the fixture prints when it runs. */
const MARKER = "init: up";

/** From spawn until the agent answers, against the same command line until the same init prints its first line. */
export async function benchQemu(folder: string): Promise<Row[]> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [qemu({ cache: cacheFolder() })] });
  const image = await host.images.import(rootfs);
  await using instance = await host.create({ driver: "qemu", name: "bench", image, limits: { memory: "256MiB" } });
  try {
    await instance.start();
    await instance.ready();
    const { pid } = await instance.inspect();
    const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
    await instance.stop({ mode: "kill" });
    return await compare(
      "spawn to agent ready",
      [
        {
          name: "pileus",
          once: async () => {
            const elapsed = await time(async () => {
              await instance.start();
              await instance.ready();
            });
            await instance.stop({ mode: "kill" });
            return elapsed;
          },
        },
        { name: "same QEMU to init", once: () => bootToInit(argv, consoleLog(argv)) },
      ],
      5,
    );
  } finally {
    await instance.delete();
  }
}

/** The serial console's log file, as the command line has it. */
function consoleLog(argv: readonly string[]): string {
  const file = argv.map((word) => /logfile=([^,]+)/.exec(word)?.[1]).find((match) => match !== undefined);
  if (file === undefined) throw new Error("no logfile on the command line of QEMU");
  return file;
}

async function bootToInit(argv: readonly string[], log: string): Promise<number> {
  await truncate(log);
  const [file = "", ...inherited] = argv;
  // The driver's QEMU inherits listening sockets; this one makes its own.
  const rest = inherited.map((word) =>
    word.replace(/\bfd=(\d+)/, (_, fd) => `path=${join(dirname(log), `raw-${fd}.sock`)}`),
  );
  let child: ChildProcess | undefined;
  try {
    return await time(async () => {
      child = start(file, rest, { stdio: "ignore" });
      for await (const _ of changes(log)) if ((await readFile(log, "latin1")).includes(MARKER)) return;
    });
  } finally {
    if (child !== undefined) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }
}

async function* changes(file: string): AsyncIterable<void> {
  const watcher = watch(file);
  try {
    for (;;) {
      await once(watcher, "change", { signal: AbortSignal.timeout(120_000) });
      yield;
    }
  } finally {
    watcher.close();
  }
}
