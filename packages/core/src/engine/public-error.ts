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
 * What to throw to a caller for `error`, wherever in the engine or a driver it comes from: what the system refused is a
 * {@link HostError} that names the fix, and of several failures it is the first, with the others in its
 * `cleanupFailures`. Anything else as it is.
 */
export function publicError(action: string, error: unknown): unknown {
  if (error instanceof AggregateError) {
    const [first, ...cleanupFailures] = error.errors;
    if (!(first instanceof Error)) return error;
    return Object.assign(publicError(action, first) as Error, { cleanupFailures });
  }
  if (isInstanceError(error) || !isSystemError(error)) return error;
  return new HostError(action, [missingOf(error)], { cause: error });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return error instanceof Error && typeof code === "string" && typeof syscall === "string";
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
        need: path === undefined ? `${syscall}` : `file:${path}`,
        reason,
        fix: "see that nothing but Pileus changes the host's root and what it mounts",
      };
  }
}
