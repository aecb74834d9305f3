import type { ExitStatus } from "@pileus/core";
import { signalName } from "@pileus/core/files";

/** What the log of a container's monitor says so far. The text is partly the container's: take a pid only after checking whose it is. */
export interface MonitorLog {
  /** PID 1 on the host, of the latest start: a reboot inside is a start, too. */
  readonly init: number | undefined;
  /** How that one ended, as far as it is told: `exited` 0 never is. */
  readonly ended: ExitStatus | undefined;
  /** Whether the monitor saw it end and cleaned up after it. */
  readonly orderly: boolean;
  /** Whether it asked for a reboot. */
  readonly rebooting: boolean;
  /** The first error of a start that failed: the cause of those after it. */
  readonly failure: string | undefined;
}

const LINE = /^lxc-start \S+ \d+\.\d+ (\w+) +(\S+) - \.{0,2}\/?(?:[\w./-]+):\w+:\d+ - (.*)$/;

/** Reads a log of level DEBUG. start.c (post_start, do_start), error.c (lxc_error_set_and_log), network.c (lxc_delete_network) of liblxc 5 and 6. */
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
 * How the last run ended by its log, once its monitor is gone: also when nobody was there to see it. `undefined` when the monitor did not
 * live to tell.
 */
export function exitOfLog({ init, ended, orderly }: MonitorLog): ExitStatus | undefined {
  if (ended !== undefined || init === undefined) return ended;
  return orderly ? { kind: "exited", code: 0 } : undefined;
}
