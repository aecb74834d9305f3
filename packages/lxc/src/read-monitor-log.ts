import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type MonitorLog, parseMonitorLog } from "./monitor-log.ts";

/** Bytes that are read first, from the end: one start is told in a quarter of it. */
const TAIL = 64 * 1024;

/**
 * What a monitor's log says of the latest start, and nothing of those before: the container reboots as often as it likes, and each time
 * adds to the log. Synchronous: see InitProcess.
 */
export function readMonitorLog(file: string): MonitorLog {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    for (let length = TAIL; ; length *= 2) {
      const from = Math.max(0, size - length);
      const log = parseMonitorLog(readFrom(fd, from, size - from));
      if (log.init !== undefined || from === 0) return log;
    }
  } finally {
    closeSync(fd);
  }
}

/** A line that is cut off at the beginning is none to the parser. */
function readFrom(fd: number, from: number, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.toString("utf8", 0, readSync(fd, bytes, 0, length, from));
}
