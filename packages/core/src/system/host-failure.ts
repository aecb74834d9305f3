import { CommandError, HostError, isInstanceError, type Missing } from "../errors/all.ts";
import { joinFailures } from "../flow/cleanup.ts";
import { isDiskFull, saysNoWatch } from "./disk-full.ts";

const INOTIFY = {
  need: "inotify",
  reason: "this user has no inotify instance or watch left",
  fix: "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances by sysctl(8)",
};
const LIMIT =
  "raise its limit (ulimit -n, LimitNOFILE= of a unit), or have it hold fewer instances, processes and files";

/**
 * Translates an error of the engine or a driver for the public API. What the system refused, and a full disk that a
 * tool reports, becomes a {@link HostError} that says what was tried and names the fix. Other errors are returned
 * unchanged.
 */
export function hostFailure(action: string, thrown: unknown): unknown {
  const error = firstFailure(thrown);
  const missing = missingOf(error);
  if (missing === undefined) return error;
  const { cleanupFailures } = error as { readonly cleanupFailures?: readonly unknown[] };
  const told = new HostError(action, [missing], { cause: error });
  return cleanupFailures === undefined ? told : Object.assign(told, { cleanupFailures });
}

/** The error for a full disk that something other than the text of `cause` shows. */
export function diskFull(action: string, cause: unknown): HostError {
  return new HostError(action, [noSpace("no space left on device")], { cause });
}

/** The first failure. `await using` wraps it when disposing fails too. */
function firstFailure(thrown: unknown): unknown {
  if (!(thrown instanceof Error && thrown.name === "SuppressedError" && "suppressed" in thrown)) return thrown;
  const { suppressed, error } = thrown as Error & { readonly suppressed: unknown; readonly error: unknown };
  return joinFailures([firstFailure(suppressed), error]);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as NodeJS.ErrnoException).code));
}

function noSpace(reason: string): Missing {
  return { need: "disk-space", reason, fix: "free space or inodes there: df -h and df -i show what is used up" };
}

function missingOf(error: unknown): Missing | undefined {
  if (error instanceof CommandError && saysNoWatch(error.stderr)) return { ...INOTIFY, reason: error.message };
  if (error instanceof CommandError && isDiskFull(error)) return noSpace(error.message);
  if (isInstanceError(error) || !isSystemError(error)) return undefined;
  const { code, syscall, path, message: reason } = error;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return syscall === "watch" ? INOTIFY : noSpace(reason);
    case "EMFILE":
      return syscall === "watch" ? INOTIFY : { need: "descriptors", reason, fix: LIMIT };
    case "ENFILE":
      return { need: "descriptors", reason, fix: "raise fs.file-max by sysctl(8)" };
    case "ENOMEM":
      return { need: "memory", reason, fix: "stop what uses it, or raise the limit of this process' cgroup" };
    case "EAGAIN":
      return { need: "processes", reason, fix: "raise the limit of processes (ulimit -u, TasksMax= of a unit)" };
    case "EROFS":
      return { need: "writable", reason, fix: "mount the file system of the root folder for writing" };
    case "EIO":
    case "EUCLEAN":
      return { need: "intact-disk", reason, fix: "look for disk errors in dmesg(1), and run fsck(8)" };
    case "EACCES":
    case "EPERM":
      return { need: "access", reason, fix: "run as the user that owns the root folder, usually root" };
    default:
      return {
        need: path === undefined ? (syscall ?? code) : `file:${path}`,
        reason,
        fix: "make sure that only Pileus changes the root folder and its mounts",
      };
  }
}
