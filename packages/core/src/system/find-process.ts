import { readdir, readFile, readlink } from "node:fs/promises";
import type { Abortable } from "../flow/abortable.ts";
import { identifyProcess, isAlive, type ProcessIdentity, processArguments } from "./process-identity.ts";

/** What makes a process ours, beside our own user. */
interface Trusted {
  /** Users that run our programs and nothing else. */
  readonly owners?: readonly number[] | undefined;
  readonly capability?: number | undefined;
}

/**
 * Finds the processes whose arguments `matches` accepts. Any process can have any arguments, even one in a container.
 * So only processes of our user, or of one of `owners`, in our pid namespace count. `likely` is examined first; if it
 * matches, no other is searched. A process that gave up root is recognised by `capability` instead, a bit of
 * capability.h that no process of another user has.
 */
export async function findProcesses(
  matches: (argv: readonly string[]) => boolean,
  options: Abortable & Trusted & { readonly likely?: number | undefined } = {},
): Promise<readonly ProcessIdentity[]> {
  const { likely, signal } = options;
  const expected = likely === undefined ? undefined : await recognise(likely, matches, options);
  if (expected !== undefined) return [expected];
  const found: ProcessIdentity[] = [];
  for (const name of await readdir("/proc")) {
    signal?.throwIfAborted();
    const identity = /^\d+$/.test(name) ? await recognise(Number(name), matches, options) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

// The identity is read before and after: so what was read in between belongs to that very process.
async function recognise(
  pid: number,
  matches: (argv: readonly string[]) => boolean,
  trusted: Trusted,
): Promise<ProcessIdentity | undefined> {
  const argv = await processArguments(pid);
  if (argv === undefined || !matches(argv)) return undefined;
  const identity = await identifyProcess(pid);
  if (identity === undefined || !matches((await processArguments(pid)) ?? [])) return undefined;
  return (await isOurs(pid, trusted)) && (await isAlive(identity)) ? identity : undefined;
}

/**
 * Whether a process has our user, one of the owners or the capability, in our own pid and user namespaces. A process of
 * a container does not.
 */
async function isOurs(pid: number, { owners = [], capability }: Trusted): Promise<boolean> {
  try {
    const [status, ...spaces] = await Promise.all([
      readFile(`/proc/${pid}/status`, "latin1"),
      ...["pid", "user"].map((kind) =>
        Promise.all([`/proc/${pid}/ns/${kind}`, `/proc/self/ns/${kind}`].map((path) => readlink(path))),
      ),
    ]);
    const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]);
    const trusted = uid === process.geteuid?.() || owners.includes(uid) || mayDo(status, capability);
    return trusted && spaces.every(([theirs, own]) => theirs === own);
  } catch (error) {
    // It has ended since its arguments were read, or it belongs to another user and we are not root.
    if (["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

function mayDo(status: string, capability: number | undefined): boolean {
  const effective = BigInt(`0x${/^CapEff:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return capability !== undefined && ((effective >> BigInt(capability)) & 1n) === 1n;
}
