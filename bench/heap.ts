/**
 * exec and start of a BusyBox container by processes of growing size, against lxc-attach and lxc-start that a small
 * process spawns; and for how long each stops our event loop. A program of its own: its argument is a folder.
 */
import { type ChildProcessWithoutNullStreams, spawn as spawnProcess } from "node:child_process";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Instance, openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { type LxcCapability, lxc } from "@pileus/lxc";
import { compare, type Row, renderRows, rowOf, time } from "./measure.ts";
import { rawContainer } from "./raw-container.ts";

/** In MiB; the first is about what a process with a host has. */
const SIZES = [140, 640, 1126];
const BLOCK = 16;
const AT_ONCE = 100;

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node heap.ts FOLDER");

/** Keeps memory resident: buffers that were written to. */
const held: Uint8Array[] = [];
const resident = () => process.memoryUsage().rss / 2 ** 20;

class SmallProcess implements Disposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const program = fileURLToPath(new URL("small-process.ts", import.meta.url));
    const args = [...process.execArgv.filter((flag) => flag !== "--expose-gc"), program];
    this.#child = spawnProcess(process.execPath, args, { stdio: "pipe" });
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Runs a tool and returns the milliseconds that it took. */
  async run(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
    this.#child.stdin.write(`${JSON.stringify({ argv, env })}\n`);
    return Number((await this.#lines.next()).value);
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
  }
}

/** Does the work, and adds the longest time for which the event loop stood still to `blocks`. */
async function watched(blocks: number[], work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const elapsed = await time(work);
  delay.disable();
  // The timer itself takes a millisecond.
  blocks.push(Math.max(0, delay.max / 1e6 - 1));
  return elapsed;
}

async function atSize(
  size: number,
  instance: Instance<LxcCapability>,
  raw: Awaited<ReturnType<typeof rawContainer>>,
  small: SmallProcess,
): Promise<Row[]> {
  while (resident() < size) held.push(new Uint8Array(BLOCK * 2 ** 20).fill(1));
  const at = `at ${resident().toFixed(0)} MiB`;
  const run = (what: keyof typeof raw.argv) => small.run(raw.argv[what], raw.env);
  const [startBlocks, execBlocks]: [number[], number[]] = [[], []];
  const ourStart = async () => {
    const elapsed = await watched(startBlocks, () => instance.start());
    await instance.stop({ mode: "kill" });
    return elapsed;
  };
  const theirStart = async () => {
    const elapsed = await run("start");
    await run("stop");
    return elapsed;
  };
  const start = [
    { name: "pileus", once: ourStart },
    { name: "lxc-start", once: theirStart },
  ] as const;
  const rows = await compare(`start ${at}`, start, 15);
  await instance.start();
  await run("start");
  try {
    const exec = [
      { name: "pileus", once: () => watched(execBlocks, () => instance.run(["true"])) },
      { name: "lxc-attach", once: () => run("exec") },
    ] as const;
    rows.push(...(await compare(`exec true ${at}`, exec, 40)));
    const many = async () => Promise.all(Array.from({ length: AT_ONCE }, () => instance.run(["true"])));
    rows.push(...(await compare(`${AT_ONCE} execs at once ${at}`, [{ name: "pileus", once: () => time(many) }], 9)));
  } finally {
    await instance.stop({ mode: "kill" });
    await run("stop");
  }
  rows.push(
    rowOf(`event loop blocked ${at}`, "start", startBlocks),
    rowOf(`event loop blocked ${at}`, "exec", execBlocks),
  );
  return rows;
}

const rootfs = join(folder, "rootfs");
await makeBusyboxRootfs(rootfs);
await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
const image = await host.images.import(rootfs);
await using instance = await host.create({ driver: "lxc", name: "bench-heap", image });
using small = new SmallProcess();
try {
  const raw = await rawContainer(folder, rootfs);
  const rows: Row[] = [];
  for (const size of SIZES) rows.push(...(await atSize(size, instance, raw, small)));
  console.log(`${renderRows(rows)}\n`);
} finally {
  await instance.delete();
}
