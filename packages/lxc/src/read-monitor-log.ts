import { closeSync, fstatSync, openSync, readFileSync, readSync, watch } from "node:fs";
import { punchHole } from "@pileus/core/driver";
import { type MonitorLog, parseMonitorLog } from "./monitor-log.ts";

/** Bytes that are read first, from the end: one start is told in a quarter of it. */
const TAIL = 64 * 1024;

/** Bytes that a log may take on the disk before what it says of earlier starts is given back. */
const LIMIT = 1024 * 1024;

/**
 * What a monitor's log says of the latest start, and nothing of those before: the container reboots as often as it
 * likes, and each time adds to the log. A log that is not there says nothing: another process removes it with the
 * instance, or before its next run, at any moment. Synchronous: see InitProcess.
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

/** All that a monitor's log says, while a first start is under way: dozens of lines. Empty where there is no log. */
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
 * Gives back what a log of more than a mebibyte says of starts before the latest. The monitor goes on writing at its
 * end, and nobody need know: cutting the file short could lose what it writes at the same moment.
 */
export function trimMonitorLog(file: string): void {
  const fd = openSync(file, "r+");
  try {
    // stat(2): blocks of 512 bytes, whatever the file system's own are.
    if (fstatSync(fd).blocks * 512 <= LIMIT) return;
    const { from } = readLatest(fd);
    if (from > 0) punchHole(fd, from);
  } finally {
    closeSync(fd);
  }
}

/** How soon after a change it is looked at a log, in milliseconds: it changes a hundred times in a reboot. */
const TRIM_DELAY = 5000;

/** Has a log trimmed as it grows, `delay` milliseconds after it did, until what is returned is called. */
export function keepTrimmed(file: string, delay = TRIM_DELAY): () => void {
  let planned: NodeJS.Timeout | undefined;
  const look = () => {
    planned = undefined;
    // It is gone, or cannot be trimmed on its file system: nothing depends on it.
    attempt(() => trimMonitorLog(file));
  };
  const plan = () => {
    planned ??= setTimeout(look, delay).unref();
  };
  // None where the host has no watch to spare.
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

/** A line that is cut off at the beginning is none to the parser. */
function readFrom(fd: number, from: number, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.toString("utf8", 0, readSync(fd, bytes, 0, length, from));
}
