import { readFile } from "node:fs/promises";

/** Nanoseconds in a tick of /proc/PID/stat: USER_HZ is 100 on all architectures that QEMU runs on as host here. */
const TICK = 1e7;
const PAGE = 4096;

/** What a process of this host uses: processor time in nanoseconds, resident memory in bytes. proc_pid_stat(5). */
export async function readProcessUsage(pid: number): Promise<{ readonly cpu: number; readonly memory: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  // The second field is a name in parentheses, which can hold anything; the rest begins with field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  return { cpu: (field(14) + field(15)) * TICK, memory: field(24) * PAGE };
}
