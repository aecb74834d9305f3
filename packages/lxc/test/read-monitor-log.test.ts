import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseMonitorLog } from "../src/monitor-log.ts";
import { keepTrimmed, readMonitorLog, trimMonitorLog } from "../src/read-monitor-log.ts";

const line = (message: string) =>
  `lxc-start a 20260101000000.000 DEBUG    start - ../src/lxc/start.c:function:1 - ${message}\n`;
const started = (pid: number) => line(`Started "/sbin/init" with pid "${pid}"`);
const chatter = (bytes: number) => line("Processing").repeat(Math.ceil(bytes / line("Processing").length));

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-log-"));
  file = join(folder, "monitor.log");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it("tells what the whole log says about the latest start, with any amount of text before and after", () => {
  const end = line("Child <8> ended on signal Hangup(1)");
  for (const size of [0, 1000, 65_536, 65_600, 200_000, 1_000_000]) {
    const text = chatter(size) + started(7) + chatter(100) + started(8) + chatter(size) + end;
    writeFileSync(file, text);
    expect(readMonitorLog(file)).toEqual(parseMonitorLog(text));
    expect(readMonitorLog(file)).toMatchObject({ init: 8, rebooting: true });
  }
});

it("names the failure of a start that never had an init", () => {
  const text = chatter(200_000) + line("x").replace("DEBUG", "ERROR") + chatter(200_000);
  writeFileSync(file, text);
  expect(readMonitorLog(file)).toMatchObject({ init: undefined, failure: "x" });
});

it("reads only the end of a log of gigabytes", () => {
  writeFileSync(file, started(7));
  // A hole, which takes no space on disk.
  truncateSync(file, 8 * 2 ** 30);
  appendFileSync(file, `\n${started(9)}`);
  expect(readMonitorLog(file).init).toBe(9);
});

const onDisk = () => statSync(file).blocks * 512;

it("frees the earlier starts of a long log, and keeps a short log and the latest start unchanged", () => {
  writeFileSync(file, started(7) + chatter(200_000) + started(8));
  const short = readFileSync(file);
  trimMonitorLog(file);
  expect(readFileSync(file).equals(short)).toBe(true);
  const latest = started(9) + chatter(100_000) + line("Child <9> ended on signal Hangup(1)");
  appendFileSync(file, chatter(4_000_000) + latest);
  const { size } = statSync(file);
  const before = onDisk();
  trimMonitorLog(file);
  expect(onDisk()).toBeLessThan(before - 3_500_000);
  expect(statSync(file).size).toBe(size);
  expect(readFileSync(file, "utf8").endsWith(latest)).toBe(true);
  expect(readMonitorLog(file)).toMatchObject({ init: 9, rebooting: true });
});

it("trims a growing log until it is told to stop", async () => {
  writeFileSync(file, chatter(4_000_000) + started(8));
  const leave = keepTrimmed(file, 10);
  const before = onDisk();
  // The size at the beginning of the watch does not count as a change.
  appendFileSync(file, line("Processing"));
  await expect.poll(onDisk, { timeout: 10_000, interval: 10 }).toBeLessThan(before - 3_500_000);
  leave();
  expect(readMonitorLog(file).init).toBe(8);
});
