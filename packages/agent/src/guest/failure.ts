import type { Failure } from "../protocol/messages.ts";

/** What the host is told of an error. */
export function failure(error: unknown): Failure {
  const { code, errno, message } = error as { code?: unknown; errno?: unknown; message?: unknown };
  // A FileError carries the name of the errno; an error of Node's has it as its code.
  const reason = typeof errno === "string" ? errno : typeof code === "string" ? code : "EFAIL";
  return { reason: reason.slice(0, 64), message: String(message ?? error).slice(0, 1000) };
}
