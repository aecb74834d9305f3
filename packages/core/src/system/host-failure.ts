import { HostError, isInstanceError } from "../contract/errors.ts";

/** What the host ran out of, by the name of the system's error, and what a person can do. errno(3). */
const FIXES: Readonly<Record<string, readonly [need: string, fix: string]>> = {
  ENOSPC: ["disk-space", "free space on the file system of the root folder"],
  EDQUOT: ["disk-space", "raise the disk quota of this user, or free space"],
  EMFILE: ["descriptors", "raise this process' limit of open files (`ulimit -n`), or do less at a time"],
  ENFILE: ["descriptors", "raise the machine's limit of open files (`sysctl fs.file-max`)"],
  ENOMEM: ["memory", "free memory"],
  EROFS: ["writable-root", "mount the file system of the root folder for writing"],
};

/**
 * A failure as it may leave the public API: an error of this library as it is, a bare one of the system as a
 * {@link HostError} that says what was tried, on which path, and what to do. Of several failures the first counts: what
 * a clean-up left is found and removed by the next call.
 */
export function hostFailure(action: string, error: unknown): unknown {
  const first = error instanceof AggregateError ? error.cause : error;
  if (isInstanceError(first) || !isSystemError(first)) return first;
  const [need, fix] = FIXES[first.code] ?? ["host", `look at ${first.path ?? "what the reason names"}, then try again`];
  return new HostError(action, [{ need, reason: first.message, fix }], { cause: error });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as NodeJS.ErrnoException).code));
}
