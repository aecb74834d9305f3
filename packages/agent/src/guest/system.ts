import { readdirSync, readFileSync } from "node:fs";
import { arch, hostname, networkInterfaces, release } from "node:os";
import type { InstanceMetrics, InterfaceAddress } from "@pileus/core";
import type { AgentInfo } from "../protocol/messages.ts";
import { oomKills } from "./oom-kills.ts";

/** The addresses of the guest, without loopback and link-local addresses. */
export function addresses(): InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? [])
      .filter((entry) => !entry.internal && !/^(169\.254\.|fe[89ab])/i.test(entry.address))
      .map((entry) => ({
        interface: name,
        family: entry.family === "IPv6" ? ("inet6" as const) : ("inet" as const),
        address: entry.address,
        prefix: Number(entry.cidr?.split("/")[1] ?? 0),
        mac: entry.mac,
      })),
  );
}

// sysconf(3), _SC_CLK_TCK: 100 on every Linux that Node runs on.
const TICKS = 100;

/** What the whole guest uses, from the figures of its kernel. */
export function metrics(proc = "/proc"): InstanceMetrics {
  const memory = new Map(
    readFileSync(`${proc}/meminfo`, "utf8")
      .split("\n")
      .map((line) => /^(\w+):\s+(\d+) kB$/.exec(line))
      .flatMap((match) => (match === null ? [] : [[match[1], Number(match[2]) * 1024] as const])),
  );
  const total = memory.get("MemTotal") ?? 0;
  return {
    cpu: { seconds: busyTicks(readFileSync(`${proc}/stat`, "utf8")) / TICKS },
    memory: {
      bytes: total - (memory.get("MemAvailable") ?? 0),
      limitBytes: total,
      swapBytes: (memory.get("SwapTotal") ?? 0) - (memory.get("SwapFree") ?? 0),
      oomKills: oomKills(proc),
    },
    processes: readdirSync(proc).filter((name) => /^\d+$/.test(name) && isProgram(`${proc}/${name}/stat`)).length,
  };
}

/**
 * Whether a process is not a kernel thread. Containers do not count kernel threads either. proc_pid_stat(5), field 9;
 * PF_KTHREAD of linux/sched.h.
 */
function isProgram(path: string): boolean {
  const PF_KTHREAD = 0x00200000;
  try {
    const stat = readFileSync(path, "latin1");
    const flags = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[6]);
    return (flags & PF_KTHREAD) === 0;
  } catch (error) {
    // The process has ended meanwhile.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

// proc_stat(5): user nice system idle iowait irq softirq steal guest guest_nice; guest time is within user.
function busyTicks(stat: string): number {
  const fields = stat.slice(0, stat.indexOf("\n")).split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return user + nice + system + irq + softirq;
}

/** Facts about the guest. */
export function info(): AgentInfo {
  return {
    kernel: release(),
    architecture: arch(),
    hostname: hostname(),
    init: readFileSync("/proc/1/comm", "utf8").trim().slice(0, 64),
    agentMemory: process.memoryUsage().rss,
  };
}

/** An id that is different after each boot of the kernel: random(4). */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
