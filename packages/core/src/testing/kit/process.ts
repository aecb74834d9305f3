import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inOwnCgroup, removeOwnCgroup } from "../../system/own-cgroup.ts";
import { identifyProcess, type ProcessIdentity, signalProcess, waitForEnd } from "../../system/process-identity.ts";
import { readIfThere } from "../../system/read-if-there.ts";
import { nodeFlags } from "./node-flags.ts";

/**
 * Starts a process that calls a function of `@pileus/core/testing` with the subject that `module` exports and with
 * `rest`, which is passed as JSON. With `service` it is in a cgroup of its own, as a service is.
 */
export function startProcess(
  module: string,
  call: "liveUntilKilled" | "obey",
  rest: readonly unknown[],
  service?: string,
): ChildProcessByStdio<Writable, Readable, Readable> {
  const path = module.startsWith("file:") ? fileURLToPath(module) : module;
  const script = [
    `import { ${call} } from "@pileus/core/testing";`,
    `const { subject } = await import(${JSON.stringify(pathToFileURL(path).href)});`,
    `await ${call}(${["subject", ...rest.map((value) => JSON.stringify(value))].join(", ")});`,
  ].join("\n");
  const argv = [process.execPath, ...nodeFlags(path), "--input-type=module", "--eval", script];
  const [file = "", ...args] = service === undefined ? argv : inOwnCgroup(service, argv);
  return spawn(file, args, {
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

/**
 * Ends a process of {@link startProcess} as a service manager ends a service: SIGKILL to everything in its cgroup.
 * Resolves when all have ended. Where it has no cgroup of its own it is killed alone.
 */
export async function endService(child: ChildProcess, service: string): Promise<void> {
  const [own, its] = [await cgroupsOf("self"), await cgroupsOf(`${child.pid}`)];
  if (its !== undefined && its !== own)
    for (let found = await processesIn(its); found.length > 0; found = await processesIn(its)) await endAll(found);
  await endProcess(child);
  await removeOwnCgroup(service);
}

async function endAll(identities: readonly ProcessIdentity[]): Promise<void> {
  await Promise.all(identities.map((identity) => signalProcess(identity, "SIGKILL")));
  for (const identity of identities) await waitForEnd(identity);
}

/** The processes that are in exactly these cgroups, in the form of /proc/PID/cgroup. */
async function processesIn(cgroups: string): Promise<readonly ProcessIdentity[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => ((await cgroupsOf(pid)) === cgroups ? await identifyProcess(Number(pid)) : undefined)),
  );
  return found.filter((identity) => identity !== undefined);
}

/** cgroups(7), /proc/PID/cgroup; `undefined` for a process that has ended. */
function cgroupsOf(pid: string): Promise<string | undefined> {
  return readIfThere(`/proc/${pid}/cgroup`);
}
