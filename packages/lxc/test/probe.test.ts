import { expect, it } from "vitest";
import { missingOn, type RuntimeHost } from "../src/probe.ts";

/** A host with the oldest that is enough. */
const HOST: RuntimeHost = {
  liblxc: "5.0.2",
  kernel: "5.19.0-1-amd64",
  hasOverlay: true,
  hasSeccomp: true,
  cgroups: { kind: "hybrid" },
  apparmor: { kind: "absent" },
};

it.each<[what: string, needs: readonly string[], change: Partial<RuntimeHost>]>([
  ["what is just enough", [], {}],
  ["liblxc 4", ["liblxc:5"], { liblxc: "4.0.6" }],
  ["liblxc 6 under development", [], { liblxc: "6.0.0-devel" }],
  ["liblxc 10 and cgroups of version 2 alone", [], { liblxc: "10.0.1", cgroups: { kind: "unified" } }],
  ["no liblxc, which the missing tools report", [], { liblxc: undefined, cgroups: { kind: "legacy" } }],
  ["Linux 5.18", ["kernel:5.19"], { kernel: "5.18.19" }],
  ["Linux 4.20", ["kernel:5.19"], { kernel: "4.20.0" }],
  ["Linux 6.1", [], { kernel: "6.1.0-49-amd64" }],
  ["no overlayfs", ["kernel:overlay"], { hasOverlay: false }],
  ["no filters of system calls", ["kernel:seccomp"], { hasSeccomp: false }],
  ["liblxc 6 and cgroups of version 1", [], { liblxc: "6.0.4", cgroups: { kind: "legacy" } }],
  ["liblxc 7 and cgroups of version 1", ["cgroup2"], { liblxc: "7.0.0", cgroups: { kind: "legacy" } }],
  ["liblxc 7 and cgroups of both versions", ["cgroup2"], { liblxc: "7.0.0", cgroups: { kind: "hybrid" } }],
  ["liblxc 7 and cgroups of version 2 alone", [], { liblxc: "7.0.0", cgroups: { kind: "unified" } }],
  [
    "AppArmor without a parser and without a profile",
    ["binary:apparmor_parser"],
    { apparmor: { kind: "on", profiles: new Set(), parser: undefined } },
  ],
])("a host with %s lacks %j", (_, needs, change) => {
  expect(missingOn({ ...HOST, ...change }).map(({ need }) => need)).toEqual(needs);
});
