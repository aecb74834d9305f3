import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

/** What every program starts with; the request's variables go above it. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A program that can be started, or the exit code and the reason that a shell would give. */
export type Program =
  | { readonly kind: "found"; readonly file: string }
  | { readonly kind: "failed"; readonly code: 126 | 127; readonly reason: string };

/** Finds a program as execvp(3) does: a name without a slash by PATH, any other from `cwd`. */
export function findProgram(name: string, cwd: string, path: string): Program {
  if (!isFolder(cwd)) return { kind: "failed", code: 126, reason: `${cwd}: no such folder to work in` };
  if (name === "") return { kind: "failed", code: 127, reason: "an empty name is no program" };
  const candidates = name.includes("/")
    ? [isAbsolute(name) ? name : join(cwd, name)]
    : path.split(":").map((folder) => join(isAbsolute(folder) ? folder : join(cwd, folder), name));
  let refused: string | undefined;
  for (const file of candidates) {
    const verdict = judge(file);
    if (verdict === "ok") return { kind: "found", file };
    if (verdict === "refused") refused ??= file;
  }
  if (refused !== undefined) return { kind: "failed", code: 126, reason: `${name}: permission denied` };
  return { kind: "failed", code: 127, reason: `${name}: not found` };
}

function judge(file: string): "ok" | "refused" | "absent" {
  try {
    if (!statSync(file).isFile()) return "refused";
    accessSync(file, constants.X_OK);
    return "ok";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "refused" : "absent";
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
