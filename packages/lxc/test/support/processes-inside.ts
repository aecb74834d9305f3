import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process of a container, as the host sees it. */
export interface ProcessInside {
  readonly pid: number;
  readonly command: string;
  /** proc_pid_stat(5): `Z` for a zombie, `T` for a stopped process. */
  readonly state: string;
}

/** Every process in the PID namespace of a container's PID 1, zombies included. */
export function processesInside(init: number): readonly ProcessInside[] {
  const namespace = namespaceOf(init);
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    if (namespaceOf(Number(pid)) !== namespace) return [];
    const [, command = "", state = ""] = /^\d+ \((.*)\) (.)/s.exec(statOf(pid)) ?? [];
    return state === "" ? [] : [{ pid: Number(pid), command, state }];
  });
}

/** Empty if the process has been reaped. */
function namespaceOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return "";
  }
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return "";
  }
}
