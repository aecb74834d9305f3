import { HostError, isInstanceError, type Missing } from "../contract/errors.ts";

const INOTIFY = {
  need: "inotify",
  reason: "this user has no watch of files to spare",
  fix: "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances by sysctl(8)",
};
const SPACE = "free space there, inodes too: df -h and df -i tell which is used up";
const LIMIT =
  "raise its limit (ulimit -n, LimitNOFILE= of a unit), or have it hold fewer instances, processes and files";

/**
 * A failure as it may leave the public API, wherever in the engine or a driver it comes from: what the system refused
 * is a {@link HostError} that says what was tried and names the fix. Anything else as it is.
 */
export function hostFailure(action: string, error: unknown): unknown {
  if (isInstanceError(error) || !isSystemError(error)) return error;
  const { cleanupFailures } = error as { readonly cleanupFailures?: readonly unknown[] };
  const told = new HostError(action, [missingOf(error)], { cause: error });
  return cleanupFailures === undefined ? told : Object.assign(told, { cleanupFailures });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as NodeJS.ErrnoException).code));
}

function missingOf(error: NodeJS.ErrnoException & { readonly code: string }): Missing {
  const { code, syscall, path } = error;
  const reason = error.message;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return syscall === "watch" ? INOTIFY : { need: "space", reason, fix: SPACE };
    case "EMFILE":
      return syscall === "watch" ? INOTIFY : { need: "descriptors", reason, fix: LIMIT };
    case "ENFILE":
      return { need: "descriptors", reason, fix: "raise fs.file-max by sysctl(8)" };
    case "ENOMEM":
      return { need: "memory", reason, fix: "end what uses it, or raise the limit of this process' cgroup" };
    case "EAGAIN":
      return { need: "processes", reason, fix: "raise the limit of processes (ulimit -u, TasksMax= of a unit)" };
    case "EROFS":
      return { need: "writable", reason, fix: "mount the file system of the host's root for writing" };
    case "EACCES":
    case "EPERM":
      return { need: "access", reason, fix: "run as the user whose the host's root is, mostly root" };
    default:
      return {
        need: path === undefined ? (syscall ?? code) : `file:${path}`,
        reason,
        fix: "see that nothing but Pileus changes the host's root and what it mounts",
      };
  }
}
