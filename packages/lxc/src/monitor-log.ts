import type { ExitStatus } from "@pileus/core";
import { signalName } from "@pileus/core/files";

/**
 * What the log of a container's monitor has shown so far. Part of the text comes from the container: use a pid only
 * after checking whose it is.
 */
export interface MonitorLog {
  /** The host's pid of PID 1 since the latest start. A reboot inside is also a start. */
  readonly init: number | undefined;
  /** How that PID 1 ended, if the log tells: it never tells an exit with 0. */
  readonly ended: ExitStatus | undefined;
  /** Whether the monitor saw it end and cleaned up after it. */
  readonly orderly: boolean;
  /** Whether it asked for a reboot. */
  readonly rebooting: boolean;
  /** The first error of a failed start, which causes the later errors. */
  readonly failure: string | undefined;
}

const LINE = /^lxc-start \S+ \d+\.\d+ (\w+) +(\S+) - \.{0,2}\/?(?:[\w./-]+):\w+:\d+ - (.*)$/;

/**
 * Reads a log of level DEBUG. start.c (post_start, do_start), error.c (lxc_error_set_and_log), network.c
 * (lxc_delete_network) of liblxc 5 and 6.
 */
export function parseMonitorLog(text: string): MonitorLog {
  let init: number | undefined;
  let ended: ExitStatus | undefined;
  let orderly = false;
  let rebooting = false;
  let failure: string | undefined;
  for (const line of text.split("\n")) {
    const [, level, , message = ""] = LINE.exec(line) ?? [];
    const started = /^Started ".*" with pid "(\d+)"$/.exec(message)?.[1];
    const end = /^Child <(\d+)> ended on (?:error \((\d+)\)|signal .*\((\d+)\))$/.exec(message);
    if (started !== undefined) {
      init = Number(started);
      ended = undefined;
      orderly = false;
      rebooting = false;
    } else if (end !== null && Number(end[1]) === init) {
      const signal = Number(end[3] ?? 0);
      // reboot(2): in a pid namespace a restart shows as the end of its init by SIGHUP, a halt by SIGINT.
      rebooting = signal === 1;
      ended =
        end[2] !== undefined
          ? { kind: "exited", code: Number(end[2]) }
          : signal === 2
            ? { kind: "exited", code: 0 }
            : { kind: "signaled", signal: signalName(signal) };
    } else if (/^(?:Deleted|Failed to delete) network devices$/.test(message)) orderly = true;
    else if (level === "ERROR") failure ??= message;
  }
  return { init, ended, orderly, rebooting, failure };
}

/**
 * How the last run ended, by the log of a monitor that is gone, even if no process of ours saw it. `undefined` when the
 * monitor died before it logged the end.
 */
export function exitOfLog({ init, ended, orderly }: MonitorLog): ExitStatus | undefined {
  if (ended !== undefined || init === undefined) return ended;
  return orderly ? { kind: "exited", code: 0 } : undefined;
}
