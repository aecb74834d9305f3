import { describe, expect, it } from "vitest";
import { exitOfLog, parseMonitorLog } from "../src/monitor-log.ts";

const line = (level: string, from: string, message: string) =>
  `lxc-start a 20260101000000.000 ${level.padEnd(8)} ${from} - ../src/lxc/${from}.c:function:1 - ${message}\n`;
const started = (pid: number) => line("NOTICE", "start", `Started "/bin/sh" with pid "${pid}"`);
const failed = (pid: number, code: number) => line("INFO", "error", `Child <${pid}> ended on error (${code})`);
const killed = (pid: number, signal: number) =>
  line("INFO", "error", `Child <${pid}> ended on signal Killed(${signal})`);
const cleaned = line("DEBUG", "network", "Deleted network devices");

const exitOf = (text: string) => exitOfLog(parseMonitorLog(text));

describe("exitOfLog", () => {
  it("tells an exit code and a signal", () => {
    expect(exitOf(started(7) + failed(7, 3) + cleaned)).toEqual({ kind: "exited", code: 3 });
    expect(exitOf(started(7) + killed(7, 9) + cleaned)).toEqual({ kind: "signaled", signal: "SIGKILL" });
  });

  it("takes an orderly end of which nothing is said for code 0", () => {
    expect(exitOf(started(7) + cleaned)).toEqual({ kind: "exited", code: 0 });
  });

  it("knows nothing where the monitor did not live to tell, or nothing ran", () => {
    expect(exitOf(started(7))).toBeUndefined();
    expect(exitOf("")).toBeUndefined();
    expect(exitOf(line("ERROR", "start", "Failed to spawn container") + cleaned)).toBeUndefined();
  });

  it("tells of the last start alone, and of nobody else's child", () => {
    expect(exitOf(started(7) + failed(7, 3) + cleaned + started(8))).toBeUndefined();
    expect(exitOf(started(7) + failed(8, 3) + cleaned)).toEqual({ kind: "exited", code: 0 });
  });
});

describe("parseMonitorLog", () => {
  it("names the first error of a start that failed, the cause of those after it", () => {
    const log = line("ERROR", "conf", "the cause") + line("ERROR", "start", "what follows");
    expect(parseMonitorLog(log)).toMatchObject({ init: undefined, failure: "the cause" });
  });
});
