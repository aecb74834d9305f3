import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";

/**
 * How many descriptors are held while they are scarce: closing them leaves enough to start the program that lifts the
 * limit.
 */
const RESERVE = 32;

const limit = (count: string) => execFileSync("prlimit", [`--pid=${process.pid}`, `--nofile=${count}:`]);

/** How many descriptors this process has open. */
export const openDescriptors = () => readdirSync("/proc/self/fd").length;

/**
 * Leaves this process room for only `count` more descriptors, until the returned function is called. Needs `root` and
 * `binary:prlimit`.
 */
export function leaveDescriptors(count: number): () => void {
  const limits = execFileSync("cat", [`/proc/${process.pid}/limits`], { encoding: "utf8" });
  const before = /Max open files\s+(\d+)/.exec(limits)?.[1] ?? "1024";
  const filled: number[] = [];
  const release = () => {
    for (const fd of filled.splice(0)) closeSync(fd);
    limit(before);
  };
  try {
    const highest = Math.max(...readdirSync("/proc/self/fd").map(Number));
    while (filled.length < RESERVE || (filled.at(-1) ?? 0) < highest) filled.push(openSync("/dev/null", "r"));
    // Every descriptor below is taken.
    limit(String((filled.at(-1) ?? 0) + 1 + count));
    return release;
  } catch (error) {
    release();
    throw error;
  }
}
