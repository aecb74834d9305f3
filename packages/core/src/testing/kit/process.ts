import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nodeFlags } from "./node-flags.ts";

/**
 * Starts a process that calls a function of `@pileus/core/testing` with the subject that `module` exports and with
 * `rest`, which is passed as JSON.
 */
export function startProcess(
  module: string,
  call: "liveUntilKilled" | "obey",
  rest: readonly unknown[],
): ChildProcessByStdio<Writable, Readable, Readable> {
  const path = module.startsWith("file:") ? fileURLToPath(module) : module;
  const script = [
    `import { ${call} } from "@pileus/core/testing";`,
    `const { subject } = await import(${JSON.stringify(pathToFileURL(path).href)});`,
    `await ${call}(${["subject", ...rest.map((value) => JSON.stringify(value))].join(", ")});`,
  ].join("\n");
  return spawn(process.execPath, [...nodeFlags(path), "--input-type=module", "--eval", script], {
    cwd: dirname(path),
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Sends SIGKILL; resolves when the process has ended. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
