import { describe, expect, it } from "vitest";
import type { Effect, Kind } from "../../../scripts/from-incus/entry.ts";
import { INSTANCE_GROUPS } from "../../../scripts/from-incus/instance-keys.ts";
import { ALL_DEVICE_GROUPS } from "../../../scripts/from-incus/render.ts";
import { plan as planLxc } from "../../lxc/src/plan.ts";
import { plan as planOci } from "../../oci/src/plan.ts";
import { plan as planQemu } from "../../qemu/src/plan.ts";
import type { Plan } from "../src/contract/backend.ts";
import { CommonConfigSchema, type InstanceConfig } from "../src/index.ts";

const counterparts = [...INSTANCE_GROUPS, ...ALL_DEVICE_GROUPS].flatMap(({ name, entries }) =>
  entries.flatMap((entry) => ("here" in entry ? [{ ...entry, title: `${name}: ${entry.options.join(", ")}` }] : [])),
);

/** A value that differs from the base, of each key whose driver reads it. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  "limits.cpu.limit": { cpu: 2 },
  "limits.cpu.set": { cpu: { set: "0" } },
  "limits.cpu.priority": { cpu: { priority: 5 } },
  "limits.memory.limit": { memory: "768MiB" },
  "limits.memory.swap": { memory: { limit: "1GiB", swap: 0 } },
  "limits.memory.soft": { memory: { limit: "1GiB", soft: 1 } },
  "limits.processes": { processes: 10 },
  "qemu.maxMemory": 2 ** 32,
  "qemu.rootSize": 2 ** 33,
};

/** A run of a machine that can grow. */
const ROOM = { memory: { base: 2 ** 29, max: 2 ** 31 }, cpus: { max: 4 } };

const PLANS: Readonly<Record<Kind, (before: InstanceConfig, after: InstanceConfig) => Plan>> = {
  lxc: (before, after) => planLxc(before, after, []),
  oci: (before, after) => planOci(before, after, []),
  qemu: (before, after) => planQemu(before, after, 2 ** 33, { config: before, remembered: ROOM }),
};

const common = CommonConfigSchema.parse({ name: "a", driver: "lxc", image: "debian" });
const NIC = { type: "nic", network: "net0" };
const DISK = { type: "disk", source: "/srv", path: "/srv" };
const MEMORY = { type: "disk", source: "tmpfs:", path: "/srv" };

/** Two configurations that differ in one key. */
function change(kind: Kind, path: string): readonly [object, object] {
  const [first = "", second = ""] = path.split(".");
  if (first === "limits") return [{}, { limits: CommonConfigSchema.shape.limits.parse(SAMPLES[path]) }];
  if (first === kind) return [{ [kind]: {} }, { [kind]: { [second]: SAMPLES[path] ?? "other" } }];
  if (first === "devices") return [{ devices: { a: NIC } }, { devices: { b: NIC } }];
  if (first === "nic" || first === "disk") {
    const device = first === "nic" ? NIC : path === "disk.size" ? MEMORY : DISK;
    return [{ devices: { a: device } }, { devices: { a: { ...device, [second]: "other" } } }];
  }
  return [{}, { [first]: { other: "value" } }];
}

/** The effect of a change of a key, or that instances of the kind cannot have it. */
function effectOf(kind: Kind, path: string): Effect | "refused" {
  if (path.startsWith("network.")) return "create";
  const [before, after] = change(kind, path).map((keys) => ({ ...common, ...keys })) as [
    InstanceConfig,
    InstanceConfig,
  ];
  const effects = PLANS[kind](before, after).changes.map(({ effect, reason = "" }) => {
    if (effect !== "unsupported") return effect;
    return reason.startsWith("it is fixed") ? "create" : "refused";
  });
  const [first] = effects;
  if (first === undefined) throw new Error(`the driver ${kind} sees no change of ${path}`);
  return effects.includes("refused") ? "refused" : first;
}

const KINDS = Object.keys(PLANS) as Kind[];
const isOfAnother = (kind: Kind, path: string) => KINDS.some((other) => other !== kind && path.startsWith(`${other}.`));

describe("the drivers do what the table says of Incus's options", () => {
  it.each(counterparts)("$title", ({ here, kinds }) => {
    for (const kind of KINDS) {
      const effects = here.filter((path) => !isOfAnother(kind, path)).map((path) => effectOf(kind, path));
      const possible = new Set(effects.filter((effect) => effect !== "refused"));
      const wanted = kinds[kind];
      if (wanted !== undefined) expect([...possible], kind).toEqual([wanted]);
      else expect(effects.length === 0 || effects.includes("refused"), `${kind} has all keys of it`).toBe(true);
    }
  });
});
