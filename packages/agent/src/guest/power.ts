import { spawn } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/**
 * Asks the guest's init to power off or reboot. Resolves when it has been asked. Uses a signal if init takes one,
 * because that needs no program; else init's own commands; else, if no init can do it, the kernel, after a sync.
 */
export async function power(action: "off" | "reboot", busybox: string): Promise<void> {
  const signal = initSignal(action);
  if (signal !== undefined) {
    process.kill(1, signal);
    return;
  }
  const command = action === "off" ? "poweroff" : "reboot";
  const own = ["/sbin", "/usr/sbin"].map((folder) => `${folder}/${command}`).find((path) => existsSync(path));
  await run(own === undefined ? [busybox, command, "-f"] : [own]);
}

function initSignal(action: "off" | "reboot"): number | NodeJS.Signals | undefined {
  // systemd(1), SIGRTMIN+4 and +5; SIGRTMIN is 34 with glibc, which systemd is built for (35 with musl).
  if (readFileSync("/proc/1/comm", "utf8").trim() === "systemd") return action === "off" ? 38 : 39;
  if (!basename(readlinkSync("/proc/1/exe")).startsWith("busybox")) return undefined;
  if (action === "off") return "SIGUSR2";
  // BusyBox, init/init.c. A script of its shell gets what the kernel sends at Ctrl-Alt-Del, and liblxc for a reboot.
  const [program = ""] = readFileSync("/proc/1/cmdline", "utf8").split("\0");
  return ["sh", "ash"].includes(basename(program)) ? "SIGINT" : "SIGTERM";
}

function run(argv: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0] as string, argv.slice(1), { detached: true, stdio: "ignore" });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${argv[0]} exited with ${code}`));
    });
  });
}
