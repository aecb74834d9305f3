import { readFileSync } from "node:fs";
import { sep } from "node:path";
import { nameText } from "../text/byte-name.ts";

/** A mount, as the process sees it whose mountinfo it comes from. */
export interface MountPoint {
  /** Unique as long as the mount is there. */
  readonly id: number;
  /** The id of the mount that it is on. */
  readonly parent: number;
  /** As `nameText()` writes bytes that are no UTF-8: any instance may rename a folder that something is mounted in. */
  readonly path: string;
  /** The peer group of a shared mount. mount_namespaces(7). */
  readonly group?: number | undefined;
  /** The peer group that a slave mount follows. */
  readonly master?: number | undefined;
}

/** The text of proc_pid_mountinfo(5). Pure. */
export function parseMounts(text: Buffer): readonly MountPoint[] {
  return text
    .toString("latin1")
    .split("\n")
    .flatMap((line) => {
      const [id, parent, , , path, , ...rest] = line.split(" ");
      if (path === undefined) return [];
      const fields = rest.slice(0, rest.indexOf("-"));
      const [group, master] = ["shared:", "master:"].map((key) => {
        const found = fields.find((field) => field.startsWith(key));
        return found === undefined ? undefined : Number(found.slice(key.length));
      });
      return [{ id: Number(id), parent: Number(parent), path: unescapeMountPoint(path), group, master }];
    });
}

/** The mounts at `folder` and below it, deepest last, as this process sees them. */
export function mountPointsBelow(folder: string): readonly MountPoint[] {
  const points = parseMounts(readFileSync("/proc/self/mountinfo"));
  const below = points.filter(({ path }) => path === folder || path.startsWith(folder + sep));
  return below.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/**
 * The topmost of mounts: each of the others is below one of these. Those at the same path are all here. What is within a
 * mount may be hostile, so nobody should go there by a path. Pure.
 */
export function topmost(points: readonly MountPoint[]): readonly MountPoint[] {
  return points.filter(({ path }) => points.every((other) => !path.startsWith(other.path + sep)));
}

/** The mount that an open file is on: proc_pid_fdinfo(5). */
export function mountOf(fd: number): number {
  const [, id] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
  return Number(id);
}

/** The paths of `mountPointsBelow()`. */
export async function mountsBelow(folder: string): Promise<readonly string[]> {
  return mountPointsBelow(folder).map(({ path }) => path);
}

// The kernel writes space, tab, newline and backslash as octal numbers.
function unescapeMountPoint(text: string): string {
  const bytes = text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return nameText(Buffer.from(bytes, "latin1"));
}
