import { readdir, readFile, readlink } from "node:fs/promises";
import type { Abortable } from "../contract/abortable.ts";
import { identifyProcess, isAlive, type ProcessIdentity, processArguments } from "./process-identity.ts";

/**
 * The processes whose arguments `matches` accepts. Any process can have any arguments, one in a container too: only
 * those of our user and in our pid namespace count. `likely` is examined first; if it is one, no other is looked for. A
 * process that gave up root is known by `capability` instead, a bit of capability.h that no process of another user
 * has.
 */
export async function findProcesses(
  matches: (argv: readonly string[]) => boolean,
  options: Abortable & { readonly likely?: number | undefined; readonly capability?: number | undefined } = {},
): Promise<readonly ProcessIdentity[]> {
  const { likely, signal, capability } = options;
  const expected = likely === undefined ? undefined : await recognise(likely, matches, capability);
  if (expected !== undefined) return [expected];
  const found: ProcessIdentity[] = [];
  for (const name of await readdir("/proc")) {
    signal?.throwIfAborted();
    const identity = /^\d+$/.test(name) ? await recognise(Number(name), matches, capability) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

// The identity comes first and is asked for again: what was read between belongs to that very process.
async function recognise(
  pid: number,
  matches: (argv: readonly string[]) => boolean,
  capability: number | undefined,
): Promise<ProcessIdentity | undefined> {
  const argv = await processArguments(pid);
  if (argv === undefined || !matches(argv)) return undefined;
  const identity = await identifyProcess(pid);
  if (identity === undefined || !matches((await processArguments(pid)) ?? [])) return undefined;
  return (await isOurs(pid, capability)) && (await isAlive(identity)) ? identity : undefined;
}

/**
 * Whether a process is of our user, or has the capability, in our own namespaces of pids and users: no container's is.
 */
async function isOurs(pid: number, capability: number | undefined): Promise<boolean> {
  try {
    const [status, ...spaces] = await Promise.all([
      readFile(`/proc/${pid}/status`, "latin1"),
      ...["pid", "user"].map((kind) =>
        Promise.all([`/proc/${pid}/ns/${kind}`, `/proc/self/ns/${kind}`].map((path) => readlink(path))),
      ),
    ]);
    const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]);
    return (
      (uid === process.geteuid?.() || mayDo(status, capability)) && spaces.every(([theirs, own]) => theirs === own)
    );
  } catch (error) {
    // Ended since its arguments were read; or another user's, where we are not root.
    if (["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

function mayDo(status: string, capability: number | undefined): boolean {
  const effective = BigInt(`0x${/^CapEff:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return capability !== undefined && ((effective >> BigInt(capability)) & 1n) === 1n;
}
