import { parseCgroupLayout } from "../../../core/src/system/cgroup.ts";
import type { ConfigFacts } from "../../src/config/container-config.ts";
import type { ContainerSpec } from "../../src/container-spec.ts";

/** A container that uses every setting. */
export const FULL_SPEC: ContainerSpec = {
  name: "web",
  hostName: "web",
  hostId: "abcdefghij",
  root: { layers: ["/store/one", "/store/two"], folder: "/state/instances/web/root" },
  idmap: { base: 100_000, count: 65_536 },
  init: {
    kind: "systemd",
    argv: ["/sbin/init"],
    env: { LANG: "C.UTF-8", QUOTED: '"a b" ', LINES: "one\ntwo" },
    haltSignal: 37,
  },
  run: "/state/instances/web/run",
  log: "/state/instances/web/log",
  output: { kind: "console" },
  nics: [
    {
      device: "eth0",
      network: "pileus0",
      bridge: "pileus0",
      hostInterface: "plabc0",
      mac: "02:00:00:aa:bb:cc",
      ipv4: { address: "10.90.0.7", prefix: 24, gateway: "10.90.0.1" },
      dns: { servers: ["10.90.0.1"], domain: "pileus" },
    },
    {
      device: "eth1",
      network: "back",
      bridge: "back",
      hostInterface: "plabc1",
      mac: "02:00:00:aa:bb:cd",
      ipv4: { address: "10.91.0.7", prefix: 16, gateway: "10.91.0.1" },
      dns: { servers: ["10.91.0.1"], domain: "back" },
    },
  ],
  limits: {
    memory: { limit: 268_435_456, swap: 1_048_576, soft: 134_217_728 },
    cpu: { limit: 1.5, set: "0-3,6", priority: 5 },
    processes: 200,
  },
  tmpfs: [{ path: "/run" }, { path: "/with space", mode: 0o1777 }],
};

/** An application container as the OCI driver defines it. */
export const PROGRAM_SPEC: ContainerSpec = {
  ...FULL_SPEC,
  name: "2c7c1f0e-9a53-4c1b-8f6e-3d0a5b7e9d11",
  hostName: "cache",
  idmap: undefined,
  init: {
    argv: ["redis-server", "a b", ""],
    uid: 999,
    gid: 998,
    cwd: "/data",
    haltSignal: 15,
  },
  confinement: { capabilities: [], seccomp: undefined, noNewPrivileges: true, hideSystemPaths: true },
  output: { kind: "pipes", owner: { uid: 999, gid: 998 } },
  nics: [],
  sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" },
  tmpfs: [],
};

const V1 = ["cpu", "cpuset", "memory", "devices", "freezer", "pids"].map(
  (name) => `32 31 0:29 / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}`,
);

export const LEGACY_FACTS: ConfigFacts = {
  cgroups: parseCgroupLayout(V1.join("\n"), () => ""),
  processes: 16_384,
  systemPaths: { hiddenFiles: ["/proc/kcore"], hiddenFolders: ["/sys/firmware"], readOnly: ["/proc/bus"] },
  apparmor: { kind: "absent" },
};

export const UNIFIED_FACTS: ConfigFacts = {
  cgroups: parseCgroupLayout("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", () => "cpu cpuset memory pids"),
  processes: 4915,
  systemPaths: { hiddenFiles: [], hiddenFolders: [], readOnly: [] },
  apparmor: { kind: "on", profiles: new Set(), parser: "/usr/sbin/apparmor_parser" },
};
