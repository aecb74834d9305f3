import { readFileSync } from "node:fs";
import { sep } from "node:path";

/** A mount, as this process sees it. */
export interface MountPoint {
  /** Unique as long as the mount is there. */
  readonly id: number;
  readonly path: string;
}

/** The mounts at `folder` and below it, deepest last, as this process sees them. proc_pid_mountinfo(5). */
export function mountPointsBelow(folder: string): readonly MountPoint[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [id, , , , path] = line.split(" ");
      return path === undefined ? [] : [{ id: Number(id), path: unescapeMountPoint(path) }];
    });
  const below = points.filter(({ path }) => path === folder || path.startsWith(folder + sep));
  return below.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** The mount that an open file is on: proc_pid_fdinfo(5). */
export function mountOf(fd: number): number {
  const [, id] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
  return Number(id);
}

/** The paths of {@link mountPointsBelow}. */
export async function mountsBelow(folder: string): Promise<readonly string[]> {
  return mountPointsBelow(folder).map(({ path }) => path);
}

// The kernel writes space, tab, newline and backslash as octal numbers.
function unescapeMountPoint(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
