import { readdir, readlink, stat } from "node:fs/promises";
import type { Abortable } from "../contract/abortable.ts";
import { identifyProcess, isAlive, type ProcessIdentity, processArguments } from "./process-identity.ts";

/**
 * The processes of our own whose arguments are as `matches` says. Anybody can give its process any arguments, in a
 * container too: so only those of our user and in our pid namespace are taken. `likely` is looked at first, and alone if
 * it is one.
 */
export async function findProcesses(
  matches: (argv: readonly string[]) => boolean,
  options: Abortable & { readonly likely?: number | undefined } = {},
): Promise<readonly ProcessIdentity[]> {
  const { likely, signal } = options;
  const expected = likely === undefined ? undefined : await recognise(likely, matches);
  if (expected !== undefined) return [expected];
  const found: ProcessIdentity[] = [];
  for (const name of await readdir("/proc")) {
    signal?.throwIfAborted();
    const identity = /^\d+$/.test(name) ? await recognise(Number(name), matches) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

// The identity comes first and is asked for again: what was read between belongs to that very process.
async function recognise(
  pid: number,
  matches: (argv: readonly string[]) => boolean,
): Promise<ProcessIdentity | undefined> {
  const argv = await processArguments(pid);
  if (argv === undefined || !matches(argv)) return undefined;
  const identity = await identifyProcess(pid);
  if (identity === undefined || !matches((await processArguments(pid)) ?? [])) return undefined;
  return (await isOurs(pid)) && (await isAlive(identity)) ? identity : undefined;
}

/** Whether a process is of our user and in our pid namespace: no container's is. */
async function isOurs(pid: number): Promise<boolean> {
  try {
    const [{ uid }, theirs, ours] = await Promise.all([
      stat(`/proc/${pid}`),
      readlink(`/proc/${pid}/ns/pid`),
      readlink("/proc/self/ns/pid"),
    ]);
    return uid === process.geteuid?.() && theirs === ours;
  } catch (error) {
    // Ended since its arguments were read; or another user's, where we are not root.
    if (["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
