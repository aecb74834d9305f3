import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, writeFileSync } from "node:fs";
import type { Abortable } from "../contract/abortable.ts";
import { HostError } from "../contract/errors.ts";
import { systemError } from "../files/plain-access.ts";
import { missingTool } from "./find-tool.ts";
import { hostFailure } from "./host-failure.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** The ids 0 to `count` - 1 inside are `base` and up on the host: for uids and gids both. user_namespaces(7). */
export interface Idmap {
  /** What id 0 inside is on the host. */
  readonly base: number;
  /** How many ids there are inside. */
  readonly count: number;
}

/** What the kernel shows for an id that is not mapped: /proc/sys/kernel/overflowuid. */
const OVERFLOW = 65534;

/** One more than the largest id: -1 means "unchanged" to the kernel (chown(2)). */
const IDS = 0xffff_ffff;

/**
 * What an id inside is on the host; without a map it is the same.
 *
 * @throws an error with `code` `EINVAL` for an id that the map has no place for. Archives can hold negative ones, which
 * would lead to the host's own.
 */
export function idOutside(idmap: Idmap | undefined, id: number): number {
  const { base, count } = idmap ?? { base: 0, count: IDS };
  if (!Number.isInteger(id) || id < 0 || id >= count)
    throw systemError("EINVAL", `id ${id}`, `the id ${id} is none of the instance, which has 0 to ${count - 1}`);
  return base + id;
}

/** What an id of the host is inside, as the kernel shows it there: 65534 where the map has none. */
export function idInside(idmap: Idmap | undefined, id: number): number {
  if (!isMapped(idmap, id)) return OVERFLOW;
  return id - (idmap?.base ?? 0);
}

/** Whether an id of the host stands for one inside. */
export function isMapped(idmap: Idmap | undefined, id: number): boolean {
  return idmap === undefined || (id >= idmap.base && id < idmap.base + idmap.count);
}

/**
 * A user namespace with this map and no process in it, as a descriptor that the caller closes: what idmapped mounts are
 * made with. About 4 ms.
 */
export async function openUserNamespace(idmap: Idmap, options: Abortable = {}): Promise<number> {
  options.signal?.throwIfAborted();
  // unshare(2) refuses CLONE_NEWUSER to a process with threads, as ours is; a child does it and waits until we hold it.
  const child = spawnProcess("unshare", ["--user", "cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: TOOL_ENV,
    cwd: "/",
    // An interrupt on our terminal is for us to answer. It ends with us all the same: its input does.
    detached: true,
  });
  if (child.pid === undefined) throw notStarted((await once(child, "error"))[0]);
  // Where namespaces are refused it may be gone before we write: that it has ended says so.
  child.stdin.once("error", () => undefined);
  const ended = once(child, "exit");
  try {
    child.stdin.write("\n");
    // An echo means that cat runs: inside of the namespace.
    await Promise.race([once(child.stdout, "data"), ended]);
    if (child.exitCode !== null || child.signalCode !== null) throw new HostError("map ids", [noUserNamespaces]);
    const map = `0 ${idmap.base} ${idmap.count}\n`;
    for (const kind of ["uid_map", "gid_map"]) writeFileSync(`/proc/${child.pid}/${kind}`, map);
    return openSync(`/proc/${child.pid}/ns/user`, "r");
  } finally {
    child.stdin.end();
    await ended;
  }
}

function notStarted(cause: NodeJS.ErrnoException): unknown {
  if (cause.code !== "ENOENT") return hostFailure("map ids", cause);
  return new HostError("map ids", [missingTool("unshare", "util-linux")], { cause });
}

const noUserNamespaces = {
  need: "user namespaces",
  reason: "the kernel refused to make one",
  fix: "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone; a process in a chroot gets none (unshare(2))",
};
