import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, writeFileSync } from "node:fs";
import type { Abortable } from "../contract/abortable.ts";
import { HostError } from "../contract/errors.ts";
import { systemError } from "../files/plain-access.ts";
import { missingTool } from "./find-tool.ts";
import { hostFailure } from "./host-failure.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** Maps the ids 0 to `count` - 1 inside to `base` and up on the host, for uids and gids. user_namespaces(7). */
export interface Idmap {
  /** The id on the host of id 0 inside. */
  readonly base: number;
  /** The number of ids inside. */
  readonly count: number;
}

/** What the kernel shows for an id that is not mapped: /proc/sys/kernel/overflowuid. */
const OVERFLOW = 65534;

/** One more than the largest id: -1 means "unchanged" to the kernel (chown(2)). */
const IDS = 0xffff_ffff;

/**
 * The id on the host of an id inside; without a map it is the same.
 *
 * @throws an error with `code` `EINVAL` for an id that the map does not contain. Archives can hold negative ids, which
 * would become ids of the host.
 */
export function idOutside(idmap: Idmap | undefined, id: number): number {
  const { base, count } = idmap ?? { base: 0, count: IDS };
  if (!Number.isInteger(id) || id < 0 || id >= count)
    throw systemError("EINVAL", `id ${id}`, `the id ${id} is none of the instance, which has 0 to ${count - 1}`);
  return base + id;
}

/** The id inside of an id on the host, as the kernel shows it there: 65534 when the map does not contain it. */
export function idInside(idmap: Idmap | undefined, id: number): number {
  if (!isMapped(idmap, id)) return OVERFLOW;
  return id - (idmap?.base ?? 0);
}

/** Whether the map contains an id of the host. */
export function isMapped(idmap: Idmap | undefined, id: number): boolean {
  return idmap === undefined || (id >= idmap.base && id < idmap.base + idmap.count);
}

/**
 * Creates a user namespace with this map and without a process, for idmapped mounts. The caller closes the descriptor.
 * Takes about 4 ms.
 */
export async function openUserNamespace(idmap: Idmap, options: Abortable = {}): Promise<number> {
  options.signal?.throwIfAborted();
  // unshare(2) refuses CLONE_NEWUSER to a process with threads such as ours: a child does it and waits until we have
  // opened its namespace.
  const child = spawnProcess("unshare", ["--user", "cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: TOOL_ENV,
    cwd: "/",
    // An interrupt on our terminal is for us to handle. The child still ends with us, because its input does.
    detached: true,
  });
  if (child.pid === undefined) throw notStarted((await once(child, "error"))[0]);
  // If the kernel refuses namespaces, the child may end before we write; its exit is checked below.
  child.stdin.once("error", () => undefined);
  const ended = once(child, "exit");
  try {
    child.stdin.write("\n");
    // An echo means that cat runs, inside the namespace.
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
  reason: "the kernel refused to create one",
  fix: "check sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone; a process in a chroot gets none (unshare(2))",
};
