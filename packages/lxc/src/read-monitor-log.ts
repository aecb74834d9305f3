import { closeSync, fstatSync, openSync, readFileSync, readSync, watch } from "node:fs";
import { punchHole } from "@pileus/core/driver";
import { type MonitorLog, parseMonitorLog } from "./monitor-log.ts";

/** How many bytes from the end are read first. A start takes a quarter of that. */
const TAIL = 64 * 1024;

/** How many bytes a log may take on disk before the space of earlier starts is freed. */
const LIMIT = 1024 * 1024;

/**
 * What a monitor's log says about the latest start only: a container may reboot any number of times, and each reboot
 * adds to the log. A missing log counts as empty: another process may remove it at any moment, with the instance or
 * before its next run. Synchronous: see InitProcess.
 */
export function readMonitorLog(file: string): MonitorLog {
  const fd = ifThere(() => openSync(file, "r"));
  if (fd === undefined) return parseMonitorLog("");
  try {
    return readLatest(fd).log;
  } finally {
    closeSync(fd);
  }
}

/** The whole text of a monitor's log during a first start: dozens of lines. Empty if there is no log. */
export function monitorLogText(file: string): string {
  return ifThere(() => readFileSync(file, "utf8")) ?? "";
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Frees the disk space of the starts before the latest in a log of more than a mebibyte. The monitor goes on writing at
 * the end and notices nothing: truncating the file could lose what it writes at the same moment.
 */
export function trimMonitorLog(file: string): void {
  const fd = openSync(file, "r+");
  try {
    // stat(2): blocks of 512 bytes, whatever the block size of the file system.
    if (fstatSync(fd).blocks * 512 <= LIMIT) return;
    const { from } = readLatest(fd);
    if (from > 0) punchHole(fd, from);
  } finally {
    closeSync(fd);
  }
}

/** The delay before a changed log is checked, in milliseconds: it changes a hundred times during a reboot. */
const TRIM_DELAY = 5000;

/** Trims a growing log, `delay` milliseconds after a change, until the returned function is called. */
export function keepTrimmed(file: string, delay = TRIM_DELAY): () => void {
  let planned: NodeJS.Timeout | undefined;
  const look = () => {
    planned = undefined;
    // The log may be gone, or its file system may not support this. Nothing depends on it.
    attempt(() => trimMonitorLog(file));
  };
  const plan = () => {
    planned ??= setTimeout(look, delay).unref();
  };
  // Undefined if the host has no free watch.
  const events = attempt(() => watch(file, { persistent: false }, plan));
  events?.on("error", () => undefined);
  return () => {
    events?.close();
    clearTimeout(planned);
  };
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function readLatest(fd: number): { readonly log: MonitorLog; readonly from: number } {
  const { size } = fstatSync(fd);
  for (let length = TAIL; ; length *= 2) {
    const from = Math.max(0, size - length);
    const log = parseMonitorLog(readFrom(fd, from, size - from));
    if (log.init !== undefined || from === 0) return { log, from };
  }
}

/** The parser ignores a line whose beginning is cut off. */
function readFrom(fd: number, from: number, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.toString("utf8", 0, readSync(fd, bytes, 0, length, from));
}
