import { openSync, writeFileSync } from "node:fs";
import { HostError } from "../errors/all.ts";
import type { IdKind, Idmap } from "../terms/idmap.ts";
import { ffi } from "./ffi.ts";
import { hostFailure } from "./host-failure.ts";
import { firstBeyond, mapLines } from "./idmap.ts";
import { check, native, type SystemError, systemErrorOf } from "./syscall.ts";

/** Options of {@link openUserNamespace}. */
export interface UserNamespaceOptions {
  /**
   * Also maps root of the host, to the id after the last one inside. overlayfs needs it of the mount that it writes to:
   * root of the host makes the files in the work folder. Default false.
   */
  readonly hostRoot?: boolean | undefined;
}

/**
 * Creates a user namespace with this map and without a process, for idmapped mounts. The caller closes the descriptor.
 * Takes a fraction of a millisecond.
 *
 * @throws {HostError} when the kernel refuses, or this process has no descriptor left.
 */
export function openUserNamespace(idmap: Idmap, options: UserNamespaceOptions = {}): number {
  try {
    const pid = cloneIntoUserNamespace();
    try {
      // A process that has ended and was not waited for still has its namespace: linux/kernel/user_namespace.c,
      // proc_id_map_open() and userns_get() need only the task.
      return openMapped(pid, idmap, options);
    } finally {
      reap(pid);
    }
  } catch (error) {
    throw namespaceFailure(error);
  }
}

/** Gives the new user namespace of a process its map, and opens it. */
function openMapped(pid: number, idmap: Idmap, options: UserNamespaceOptions): number {
  for (const of of ["uid", "gid"] as const) writeFileSync(`/proc/${pid}/${of}_map`, renderIdmap(idmap, of, options));
  return openSync(`/proc/${pid}/ns/user`, "r");
}

/** A map as /proc/PID/uid_map, or gid_map, takes it: user_namespaces(7). Pure. */
export function renderIdmap(idmap: Idmap, of: IdKind, { hostRoot }: UserNamespaceOptions = {}): string {
  const root = hostRoot ? [{ inside: firstBeyond(idmap), outside: 0, count: 1 }] : [];
  const lines = [...mapLines(idmap, of), ...root];
  return lines.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join("");
}

/** The error of a user namespace that the kernel refused to make (`unshare`), or whose map it did not take (`write`). */
export function namespaceError(call: "unshare" | "write", errno: number): Error {
  return namespaceFailure(systemErrorOf(call, errno)) as Error;
}

function namespaceFailure(error: unknown): unknown {
  const { code = "", syscall = "" } = error as SystemError;
  if (!["clone", "unshare"].includes(syscall) || ["ENOMEM", "EAGAIN"].includes(code))
    return hostFailure("map ids", error);
  const missing = { ...noUserNamespaces, reason: `${noUserNamespaces.reason}: ${code}` };
  return new HostError("map ids", [missing], { cause: error });
}

/**
 * Returns the pid of a child that had a user namespace of its own and has ended, and was not waited for. unshare(2)
 * refuses CLONE_NEWUSER to a process with threads such as ours. fork(2) would copy our page tables, which takes longer
 * the more memory we have. So, as posix_spawn(3) does, the child shares our memory on a stack of its own while we wait
 * (CLONE_VM, CLONE_VFORK). It calls getppid(2), which changes no memory, and ends. Its end sends no signal, so that
 * Node does not look for a child of its own.
 */
function cloneIntoUserNamespace(): number {
  const koffi = ffi();
  const [CLONE_VM, CLONE_VFORK, CLONE_NEWUSER] = [0x100, 0x4000, 0x10000000];
  const program = koffi.load(null).symbol("getppid", "void");
  const stack = koffi.alloc("uint8_t", STACK);
  try {
    // It grows downwards, and the ABIs want it aligned to 16 bytes.
    const top = (BigInt(stack as bigint) + BigInt(STACK)) & ~15n;
    return check("clone", native().clone(program, top, CLONE_VM | CLONE_VFORK | CLONE_NEWUSER, null));
  } finally {
    koffi.free(stack);
  }
}

const STACK = 64 * 1024;

function reap(pid: number): void {
  // wait(2): only __WALL finds a child whose end sends no signal.
  const WALL = 0x40000000;
  check("waitpid", native().waitpid(pid, null, WALL));
}

const noUserNamespaces = {
  need: "user namespaces",
  reason: "the kernel refused to create one",
  fix: "check sysctl user.max_user_namespaces; a process in a chroot, or without CAP_SYS_ADMIN, gets none (clone(2))",
};
