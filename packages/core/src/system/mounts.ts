import { readFileSync } from "node:fs";
import { sep } from "node:path";

/** The mount points at `folder` and below it, deepest last, as this process sees them. proc_pid_mountinfo(5). */
export async function mountsBelow(folder: string): Promise<readonly string[]> {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .map(unescapeMountPoint);
  return points.filter((point) => point === folder || point.startsWith(folder + sep)).sort();
}

// The kernel writes space, tab, newline and backslash as octal numbers.
function unescapeMountPoint(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
