import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { checkout } from "./folders.mjs";

const { packageManager } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));

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
  try {
    child = spawn(file, rest, { cwd: checkout, stdio: ["inherit", "inherit", onError ? "pipe" : "inherit"], env });
    child.stderr?.on("data", (chunk) => {
      process.stderr.write(chunk);
      onError(String(chunk));
    });
    const [code] = await once(child, "close");
    if (interrupt !== undefined) process.exit(128 + constants.signals[interrupt]);
    return code === 0;
  } finally {
    for (const signal of signals) process.off(signal, interrupted);
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
