import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "./folders.mjs";

const { packageManager } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));

/** Runs a command in the checkout with its output shown. True when it exits with 0. */
export function run(argv, env = process.env) {
  const [file, ...rest] = argv;
  return spawnSync(file, rest, { cwd: checkout, stdio: "inherit", env }).status === 0;
}

/** pnpm in the version that the workspace pins, without installing it. */
export function pnpm(...argv) {
  return run(["npx", "--yes", packageManager, ...argv]);
}

/** Installs the npm packages and builds ours. Throws with the step that failed. */
export function prepareWorkspace(say) {
  say(`npm packages: ${packageManager} install`);
  if (!pnpm("install", "--frozen-lockfile", "--reporter=append-only")) throw new Error("pnpm install failed");
  say("packages of this repository: build");
  if (!pnpm("-r", "--sort", "--filter", "./packages/*", "--reporter-hide-prefix", "run", "build", "--silent"))
    throw new Error("the build failed");
}
