import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { checkout } from "./folders.mjs";

const { packageManager } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));

/** When what still runs is ended, in milliseconds since the epoch: see {@link endAt}. */
let end = Number.POSITIVE_INFINITY;

/** From then on, each command that runs is ended with all that it has started, and counts as failed. */
export function endAt(time) {
  end = time;
}

/** Milliseconds for a command to clean up once it is told to end. */
const GRACE = 60_000;

/** Milliseconds for the rest of a command's stderr to arrive after its end. */
const CLOSE_TIME = 5000;

/**
 * Runs a command in the checkout and shows its output. True if it exits with 0. `onError` also gets its stderr.
 *
 * An interrupt ends this process too, but only after the command, which may have much to remove. The terminal sends
 * SIGINT and SIGHUP to both; SIGTERM is passed on.
 */
export async function run(argv, { env = process.env, onError } = {}) {
  const [file, ...rest] = argv;
  let child;
  let interrupt;
  const interrupted = (signal) => {
    interrupt = signal;
    if (signal === "SIGTERM") child.kill(signal);
  };
  const signals = ["SIGINT", "SIGHUP", "SIGTERM"];
  for (const signal of signals) process.on(signal, interrupted);
  let timer;
  try {
    child = spawn(file, rest, { cwd: checkout, stdio: ["inherit", "inherit", onError ? "pipe" : "inherit"], env });
    child.stderr?.on("data", (chunk) => {
      process.stderr.write(chunk);
      onError(String(chunk));
    });
    timer = endInTime(child, argv);
    const closed = once(child, "close");
    const [code] = await once(child, "exit");
    // What it has left running may have its stderr for ever.
    await Promise.race([closed, delay(CLOSE_TIME, undefined, { ref: false })]);
    if (interrupt !== undefined) process.exit(128 + constants.signals[interrupt]);
    return code === 0;
  } finally {
    clearTimeout(timer);
    for (const signal of signals) process.off(signal, interrupted);
  }
}

/** Ends a command, with all that it has started, at the time of {@link endAt}: a descendant would keep our output open. */
function endInTime(child, argv) {
  if (end === Number.POSITIVE_INFINITY) return undefined;
  const ask = () => {
    console.error(`[test] out of time: ${argv.join(" ")}`);
    const all = [child.pid, ...descendants(child.pid)];
    for (const pid of all) tryKill(pid, "SIGTERM");
    setTimeout(() => {
      for (const pid of all) tryKill(pid, "SIGKILL");
    }, GRACE);
  };
  return setTimeout(ask, Math.max(0, end - Date.now()));
}

/** Children, their children and so on. proc_pid_stat(5): the parent is the second field behind the name. */
function descendants(pid) {
  const parents = new Map();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1");
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It has ended.
    }
  }
  const below = (parent) =>
    [...parents].filter(([, of]) => of === parent).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}

function tryKill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/**
 * Runs a program of this repository from its sources, by Node with tsx loaded: the command `tsx` would kill a program
 * that does not react to an interrupt within 60 ms.
 */
export function runSource([file, ...argv], options) {
  return run([process.execPath, "--import", "tsx", "--conditions=@pileus/source", file, ...argv], options);
}

/** pnpm in the version that the workspace pins, without installing it. */
export function pnpm(...argv) {
  return run(["npx", "--yes", packageManager, ...argv]);
}

/** Installs the npm packages and builds ours. Throws with the step that failed. */
export async function prepareWorkspace(say) {
  say(`npm packages: ${packageManager} install`);
  if (!(await pnpm("install", "--frozen-lockfile", "--reporter=append-only"))) throw new Error("pnpm install failed");
  say("packages of this repository: build");
  const build = ["-r", "--sort", "--filter", "./packages/*", "--reporter-hide-prefix", "run", "build", "--silent"];
  if (!(await pnpm(...build))) throw new Error("the build failed");
}
