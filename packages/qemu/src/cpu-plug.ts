import { type AgentClient, RUNTIME_FOLDER } from "@pileus/agent";
import { type Abortable, ConfigError, TimeoutError } from "@pileus/core";
import { withDeadline } from "@pileus/core/driver";
import type { QmpClient } from "./qmp/index.ts";

/** How long a guest may take to use processors, in milliseconds. It takes some tens each, or many times that without KVM. */
const TIMEOUT = 30_000;

/**
 * Run in the guest as `sh -c … sh COUNT`: uses that many processors, the first ones. A processor that was plugged has a file
 * as soon as the kernel has seen it, of which no event tells.
 */
const USE = `exec >/dev/null 2>&1
alias busybox=${RUNTIME_FOLDER}/bin/busybox
cd /sys/devices/system/cpu
used() { busybox grep -c ^processor /proc/cpuinfo; }
number=$(used)
while [ "$number" -gt "$1" ]; do
  number=$((number - 1))
  echo 0 >"cpu$number/online"
done
while [ "$(used)" -lt "$1" ]; do
  for file in cpu*/online; do
    [ "$(busybox cat "$file")" = 1 ] || echo 1 >"$file"
  done
  [ "$(used)" -lt "$1" ] && busybox sleep 0.05
done`;

/** Plugs processors into a machine until it has `count`. They stay: to unplug one ends a QEMU without KVM. */
export async function plugCpus(qmp: QmpClient, count: number, { signal }: Abortable): Promise<void> {
  const places = await qmp.execute("query-hotpluggable-cpus", {}, { signal });
  const free = places
    .filter((place) => place["qom-path"] === undefined)
    .sort((one, other) => order(one) - order(other));
  const present = places.length - free.length;
  for (const [index, { type, props }] of free.slice(0, Math.max(0, count - present)).entries())
    await qmp.execute("device_add", { driver: type, id: `cpu${present + index}`, ...props }, { signal });
}

/** The place of a processor: by default each is a core of one socket. */
function order({ props }: { readonly props: Readonly<Record<string, number>> }): number {
  const { "socket-id": socket = 0, "core-id": core = 0, "thread-id": thread = 0 } = props;
  return (socket * 1024 + core) * 1024 + thread;
}

/** Has the guest use its first `count` processors. @throws {ConfigError} when it does not obey in time. */
export async function useCpus(
  agent: AgentClient,
  count: number,
  { signal, timeout = TIMEOUT }: Abortable & { readonly timeout?: number },
): Promise<void> {
  const argv = [`${RUNTIME_FOLDER}/bin/busybox`, "sh", "-c", USE, "sh", String(count)];
  try {
    const action = `waiting for the guest to use ${count} processors`;
    await withDeadline({ action, timeout, signal }, async (limited) => {
      const program = await agent.exec({ argv, env: {}, cwd: "/", user: "0:0", tty: undefined }, { signal: limited });
      const kill = () => void program.kill("SIGKILL");
      limited.addEventListener("abort", kill, { once: true });
      await program.exit;
      limited.removeEventListener("abort", kill);
    });
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    const message = `the guest does not use them within ${timeout / 1000} s: stop the instance, and it has them from its next start on`;
    throw new ConfigError("change of the configuration", [{ path: ["limits", "cpu"], message }], { cause: error });
  }
}
