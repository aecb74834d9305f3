import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, it, vi } from "vitest";
import { readHeldRun } from "../../src/keeper/held-run.ts";
import type { Keeper } from "../../src/keeper/keeper.ts";
import { type KeeperFolders, launchKeeper, resumeKeeper } from "../../src/keeper/launch.ts";
import type { HeldRun } from "../../src/keeper/order.ts";
import { openKeeperStream } from "../../src/keeper/stream.ts";
import { identifyChild, signalProcess, waitForEnd } from "../../src/system/process-identity.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { places } from "./support.ts";

const place = places();
const started: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of started.splice(0)) await end();
});
/** packages/core/keeper/announce.h. */
const [GO, HOLD, HELD] = [0, 1, 1];
const TERMINAL = { columns: 80, rows: 24 };
/** More than all buffers between a writer and a terminal that nobody reads. */
const LINES = "typed before\n".repeat(100_000);

/** Connects to the keeper as a PID 1 does, tells what it hears, and says what it reads from its standard input. */
const INIT = `const socket = require("node:net").connect(process.argv[1]);
  socket.on("connect", () => console.log("connected"));
  socket.on("data", (bytes) => { for (const byte of bytes) console.log(byte); });
  socket.on("end", () => console.log("end"));
  process.stdin.on("data", (bytes) => socket.write(bytes));
  process.stdin.on("end", () => { socket.destroy(); setInterval(() => {}, 1000); });`;

/** A PID 1 that has come to the keeper. */
async function init(folders: KeeperFolders) {
  const child = spawn(process.execPath, ["-e", INIT, join(folders.run, "announce")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const hear = async () => (await lines.next()).value as string | undefined;
  const exit = once(child, "exit");
  started.push(async () => child.kill("SIGKILL") && (await exit));
  expect(await hear()).toBe("connected");
  return {
    pid: child.pid as number,
    hear,
    say: (byte: number) => child.stdin.write(Buffer.of(byte)),
    /** It closes its connection, as at the execution of its program. */
    become: () => child.stdin.end(),
  };
}

/** A run whose starter does what it is told: shell commands, with the terminal as their descriptor 19. */
async function rebooting({ terminal: size }: { readonly terminal?: typeof TERMINAL } = { terminal: TERMINAL }) {
  const folders = place();
  const orders = join(folders.run, "orders");
  execFileSync("mkfifo", [orders]);
  const program = openSync("/bin/bash", "r");
  const announce = listenUnix(join(folders.run, "announce"));
  let hear: (boots: number) => void = () => undefined;
  const order = {
    argv: ["bash", "-c", `exec 9<>"$0"; while read -r line <&9; do eval "$line"; done`, orders],
    env: { PATH: process.env["PATH"] ?? "" },
    ...(size && { terminal: size }),
  };
  const events = { started: (_: number, boots: number) => hear(boots) };
  const launched = await launchKeeper(folders, order, { starter: { program, announce }, events });
  for (const fd of [program, announce]) closeSync(fd);
  const begun = launched.begin();
  started.push(async () => {
    const { holder } = (await readHeldRun(folders.run)) as HeldRun;
    (await begun).detach();
    const identity = identifyChild(holder);
    await signalProcess(identity, "SIGKILL");
    await waitForEnd(identity);
  });
  const first = await init(folders);
  if (size !== undefined) {
    expect(await first.hear()).toBe(String(HOLD));
    first.say(HELD);
  }
  expect(await first.hear()).toBe(String(GO));
  first.become();
  const keeper = await begun;
  const tell = (line: string) => writeFile(orders, `${line}\n`);
  const terminal = async (line: string) => {
    const answer = join(folders.run, "answer");
    await tell(`{ ${line}; } <&19 >${answer}.new; mv ${answer}.new ${answer}`);
    const said = await vi.waitFor(() => readFileSync(answer, "utf8"), 20_000);
    execFileSync("rm", [answer]);
    return said;
  };
  /** A message of packages/core/keeper/holder.h: ENDED, the pid, the status SIGHUP, and that another follows. */
  const down = async () => {
    const words = [3, 0, 1, 1, 0, 0, 0, 0].map((word) => `\\${word}\\0\\0\\0`).join("");
    await tell(`printf '${words}' >&10`);
  };
  const nextBoot = () =>
    new Promise<number>((resolve) => {
      hear = resolve;
    });
  return { folders, order, keeper, down, nextBoot, terminal };
}

const settings = "stty -a";

/** Ends the keeper of a run as its holder holds it, and starts the next one. */
async function succeed({ folders, order, keeper }: Awaited<ReturnType<typeof rebooting>>): Promise<Keeper> {
  const identity = identifyChild(keeper.state.keeper);
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
  return resumeKeeper(folders, order, (await readHeldRun(folders.run)) as HeldRun, { starter: true });
}

it("a keeper gives its terminal back what a new one has while a PID 1 waits for that, at each boot", async () => {
  const run = await rebooting();
  const before = await run.terminal(settings);
  expect(await run.terminal(`stty raw -echo; ${settings}`)).not.toBe(before);
  const booted = run.nextBoot();
  await run.down();
  const second = await init(run.folders);
  expect(await second.hear()).toBe(String(HOLD));
  second.say(HELD);
  expect(await second.hear()).toBe(String(GO));
  expect(await run.terminal(settings)).toBe(before);
  second.become();
  expect(await booted).toBe(2);
});

it("a keeper lets a PID 1 without a terminal go on at once", async () => {
  const { keeper } = await rebooting({});
  expect(keeper.state).toMatchObject({ state: "running", streams: "pipes", boots: 1 });
});

it("a keeper leaves the terminal alone of a system that has not waited for it", async () => {
  const run = await rebooting();
  const identity = identifyChild(run.keeper.state.keeper);
  const booted = run.nextBoot();
  await signalProcess(identity, "SIGSTOP");
  await run.down();
  const second = await init(run.folders);
  second.become();
  const left = await run.terminal(`stty raw -echo; ${settings}`);
  await signalProcess(identity, "SIGCONT");
  expect(await booted).toBe(2);
  expect(run.keeper.state.program).toBe(second.pid);
  expect(await run.terminal(settings)).toBe(left);
});

it("a keeper drops what its writer has typed for a system that reboots, though nobody has read it", async () => {
  const run = await rebooting();
  const stream = await openKeeperStream(run.folders.run);
  await stream.claim();
  const typed = new Promise((resolve) => stream.resume().write(LINES, resolve));
  const booted = run.nextBoot();
  await run.down();
  // All of it leaves the writer's process.
  await typed;
  const second = await init(run.folders);
  await second.hear();
  second.say(HELD);
  await second.hear();
  second.become();
  expect(await booted).toBe(2);
  stream.write("typed after\n");
  expect(await run.terminal("head -n 1")).toBe("typed after\n");
  stream.destroy();
});

it("a keeper that takes over knows the PID 1 which its predecessor has met last", async () => {
  const run = await rebooting();
  await run.down();
  const second = await init(run.folders);
  expect(await second.hear()).toBe(String(HOLD));
  const keeper = await succeed(run);
  expect(await second.hear()).toBe("end");
  expect(keeper.state).toMatchObject({ state: "running", program: second.pid });
  keeper.detach();
});
