import type { InstanceConfig } from "@pileus/core";
import type { Plan } from "@pileus/core/driver";

type Change = Plan["changes"][number];

const MIB = 2 ** 20;
/** Below it the guest's kernel, its init and the agent do not fit together: 128 MiB leave them 60 MiB. */
export const MIN_MEMORY = 128 * MIB;

/** What a change of each key means where it can be had. Keys of sections are written `section.key`. */
const EFFECTS: Readonly<Record<string, Change["effect"]>> = {
  labels: "live",
  env: "live",
  devices: "next-start",
  "limits.cpu": "next-start",
  "limits.memory": "next-start",
  "qemu.machine": "next-start",
  "qemu.cpuModel": "next-start",
};

/** See `Backend.plan()`. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
  const refused = refusals(after);
  const old = before === undefined ? undefined : flatten(before);
  const now = flatten(after);
  const paths = old === undefined ? [] : [...new Set([...old.keys(), ...now.keys()])];
  const changed = paths.filter((path) => JSON.stringify(old?.get(path)) !== JSON.stringify(now.get(path)));
  const changes = changed.filter((path) => !refused.has(path)).map(effectOf);
  return { changes: [...[...refused].map(([path, reason]) => unsupported(path, reason)), ...changes] };
}

/** What can never work, by path. */
function refusals(config: InstanceConfig): ReadonlyMap<string, string> {
  const { cpu, memory, processes } = config.limits;
  const refused = new Map<string, string>();
  if (cpu !== undefined && !Number.isInteger(cpu)) {
    refused.set("limits.cpu", `a virtual machine has whole processors: write ${Math.ceil(cpu)}`);
  }
  if (memory !== undefined && memory < MIN_MEMORY) {
    refused.set("limits.memory", `a virtual machine needs at least ${MIN_MEMORY / MIB}MiB`);
  }
  if (processes !== undefined) {
    refused.set("limits.processes", "the kernel of a virtual machine counts its own processes");
  }
  return refused;
}

function effectOf(path: string): Change {
  const effect = EFFECTS[path];
  return effect === undefined ? unsupported(path, "it is fixed when the instance is created") : { path, effect };
}

function unsupported(path: string, reason: string): Change {
  return { path, effect: "unsupported", reason };
}

function flatten(config: InstanceConfig): ReadonlyMap<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(config)) {
    if (key !== "limits" && key !== "qemu") flat.set(key, value);
    else for (const [inner, of] of Object.entries(value as object)) flat.set(`${key}.${inner}`, of);
  }
  return flat;
}
