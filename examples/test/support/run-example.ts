import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { cacheFolder, checkout } from "../../../scripts/setup/folders.mjs";

/** How a program of examples/ is run. */
export interface ExampleOptions {
  readonly argv?: readonly string[];
  /** The folder in which it runs. */
  readonly cwd: string;
  /** Exit codes that are right. Default: 0. */
  readonly allow?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program of examples/ with tsx, as its reader would, and returns what it printed. */
export function runExample(example: string, { argv = [], ...options }: ExampleOptions): Promise<string> {
  const tsx = join(checkout, "node_modules/tsx/dist/cli.mjs");
  const file = join(checkout, "examples", example);
  return withState([process.execPath, tsx, "--conditions=@pileus/source", file, ...argv], options);
}

/** Runs a test file of examples/guides with vitest, and returns what it printed. */
export function runGuideTest(file: string, options: ExampleOptions): Promise<string> {
  const vitest = join(checkout, "node_modules/vitest/vitest.mjs");
  return withState([process.execPath, vitest, "run", "--project", "guides", file], { ...options, cwd: checkout });
}

/**
 * Runs a command on a state folder of the tests: in a mount namespace of its own, in which `/var/lib/pileus` is that
 * folder.
 */
async function withState(
  command: readonly string[],
  { cwd, allow = [0], env = {} }: Omit<ExampleOptions, "argv">,
): Promise<string> {
  const state = join(cacheFolder(), "examples");
  await mkdir(state, { recursive: true });
  const script = 'mkdir -p /var/lib/pileus && mount --bind "$0" /var/lib/pileus && exec "$@"';
  const { stdout } = await spawn(["unshare", "--mount", "sh", "-c", script, state, ...command], {
    cwd,
    env: { ...(process.env as Record<string, string>), ...env },
    allow,
  });
  return stdout;
}
