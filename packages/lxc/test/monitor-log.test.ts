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
  it("reads an exit code and a signal", () => {
    expect(exitOf(started(7) + failed(7, 3) + cleaned)).toEqual({ kind: "exited", code: 3 });
    expect(exitOf(started(7) + killed(7, 9) + cleaned)).toEqual({ kind: "signaled", signal: "SIGKILL" });
  });

  it("treats a halt from inside as code 0, and a restart as a signal: reboot(2)", () => {
    expect(exitOf(started(7) + killed(7, 2) + cleaned)).toEqual({ kind: "exited", code: 0 });
    expect(exitOf(started(7) + killed(7, 1) + cleaned)).toEqual({ kind: "signaled", signal: "SIGHUP" });
  });

  it("reads numbers of several digits", () => {
    expect(parseMonitorLog(started(4194304)).init).toBe(4194304);
    expect(exitOf(started(1234) + failed(1234, 137))).toEqual({ kind: "exited", code: 137 });
    expect(exitOf(started(1234) + killed(1234, 15))).toEqual({ kind: "signaled", signal: "SIGTERM" });
  });

  it("treats an orderly end without a message as code 0", () => {
    expect(exitOf(started(7) + cleaned)).toEqual({ kind: "exited", code: 0 });
    expect(exitOf(started(7) + line("ERROR", "network", "Failed to delete network devices"))).toMatchObject({
      code: 0,
    });
  });

  it("knows no exit status if the monitor died first, or nothing ran", () => {
    expect(exitOf(started(7))).toBeUndefined();
    expect(exitOf("")).toBeUndefined();
    expect(exitOf(line("ERROR", "start", "Failed to spawn container") + cleaned)).toBeUndefined();
  });

  it("reports only the last start, and no foreign child", () => {
    expect(exitOf(started(7) + failed(7, 3) + cleaned + started(8))).toBeUndefined();
    expect(exitOf(started(7) + failed(8, 3) + cleaned)).toEqual({ kind: "exited", code: 0 });
  });
});

describe("parseMonitorLog", () => {
  it("learns nothing from an empty log, or from text that is not a log", () => {
    const nothing = { init: undefined, ended: undefined, orderly: false, rebooting: false, failure: undefined };
    expect(parseMonitorLog("")).toEqual(nothing);
    expect(parseMonitorLog(`Started "/x" with pid "7"\nERROR\n`)).toEqual(nothing);
  });

  it("reports a running restart, until the next init starts", () => {
    expect(parseMonitorLog(started(7) + killed(7, 9)).rebooting).toBe(false);
    expect(parseMonitorLog(started(7) + killed(7, 1)).rebooting).toBe(true);
    const again = started(7) + killed(7, 1) + cleaned + started(8);
    expect(parseMonitorLog(again)).toMatchObject({ init: 8, ended: undefined, orderly: false, rebooting: false });
  });

  it("ignores a message that only begins or ends like a known one", () => {
    for (const message of [
      `He said: Started "/x" with pid "9"`,
      `Started "/x" with pid "9" at last`,
      "Perhaps Child <7> ended on error (3)",
      "Child <7> ended on error (3) or so",
      "Not Deleted network devices",
      "Deleted network devices of another",
    ])
      expect(parseMonitorLog(started(7) + line("INFO", "start", message))).toEqual(parseMonitorLog(started(7)));
  });

  it("treats no line below ERROR as a failure", () => {
    expect(parseMonitorLog(line("WARN", "conf", "all the same"))).toMatchObject({ failure: undefined });
  });

  it("names the first error of a failed start, which causes the later ones", () => {
    const log = line("ERROR", "conf", "the cause") + line("ERROR", "start", "what follows");
    expect(parseMonitorLog(log)).toMatchObject({ init: undefined, failure: "the cause" });
  });

  it("reads only the lines of lxc-start, as liblxc writes them", () => {
    const log = started(7);
    for (const forged of [
      `x${log}`,
      log.replace("lxc-start", "lxc-stop"),
      log.replace(" - ", " "),
      log.replace(":1 -", " -"),
    ])
      expect(parseMonitorLog(forged)).toMatchObject({ init: undefined });
    for (const path of ["start.c", "./start.c", "../src/lxc/start.c", "/build/lxc-6.0/src/start.c"])
      expect(parseMonitorLog(log.replace("../src/lxc/start.c", path))).toMatchObject({ init: 7 });
  });
});
