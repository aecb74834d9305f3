import type { Failure } from "../protocol/messages.ts";

/** Describes an error for the host. */
export function failure(error: unknown): Failure {
  const { code, errno, message, path, detail } = error as Readonly<Record<string, unknown>>;
  const said = { message: String(message ?? error).slice(0, 1000) };
  // A FileError carries the name of the errno; an error of Node has it as its code.
  if (typeof errno !== "string") return { reason: typeof code === "string" ? code.slice(0, 64) : "EFAIL", ...said };
  return {
    reason: errno.slice(0, 64),
    ...said,
    ...(typeof path === "string" ? { path: path.slice(0, 4096) } : {}),
    ...(typeof detail === "string" ? { detail: detail.slice(0, 256) } : {}),
  };
}
