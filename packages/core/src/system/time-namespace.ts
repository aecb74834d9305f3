import { readlinkSync } from "node:fs";
import { HostError } from "../errors/all.ts";
import { readIfThereSync } from "./read-if-there.ts";

/** The time namespace of every process since the boot: TIME_NS_INIT_INO of linux/nsfs.h. */
const INITIAL = "time:[4026531834]";

let known: bigint | undefined;

/**
 * How far CLOCK_BOOTTIME, and with it the start times in /proc, is ahead of the host's in our time namespace, in
 * nanoseconds. Read once: a process with threads enters no other one, and its offsets are fixed. time_namespaces(7),
 * setns(2).
 *
 * @throws {HostError} when that cannot be known.
 */
export function boottimeAhead(): bigint {
  known ??= readBoottimeAhead("/proc/self");
  return known;
}

/** {@link boottimeAhead}, from the folder of this process in /proc. */
export function readBoottimeAhead(self: string): bigint {
  const own = linkIfThere(`${self}/ns/time`);
  if (own === INITIAL) return 0n;
  // The offsets in the file are those of the namespace of our children.
  if (own !== linkIfThere(`${self}/ns/time_for_children`))
    throw new HostError("tell processes apart by when they started", [
      {
        need: "time namespace",
        reason: "the one of this process is not that of its children, so its clock offsets cannot be read",
        fix: "start a new process in the namespace that it unshared: unshare --time --fork",
      },
    ]);
  // A line for each clock, with seconds and nanoseconds.
  const offsets = readIfThereSync(`${self}/timens_offsets`) ?? "";
  const [, seconds = "0", nanoseconds = "0"] = /^(?:boottime|7)\s+(-?\d+)\s+(\d+)$/m.exec(offsets) ?? [];
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}

/** `undefined` on a kernel without time namespaces. */
function linkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
