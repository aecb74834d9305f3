import {
  ALL_LIVE,
  CONTAINERS_CREATE,
  CONTAINERS_LIVE,
  CONTAINERS_NEXT_START,
  type Group,
  has,
  noHardware,
  none,
  toCome,
} from "./entry.ts";

const SUPERVISION = "supervision, with autostart, restart policies and what the host's shutdown does";
const CLOUD_INIT = "cloud-init";
const SNAPSHOTS = "snapshots with patterns, schedules and expiry";
const CREDENTIALS = "systemd credentials and SMBIOS strings";
const DNS = "DNS settings of an instance; today its network says the domain and the server";
const FIRMWARE = "firmware of machines (UEFI, Secure Boot, NVRAM); today a disk image boots by BIOS";
const GPU = "gpu devices";
const GUEST_API = "an interface for programs inside";
const HUGE_PAGES = "huge pages";
const KERNEL = "sysctls and kernel modules";
const RAW = "raw settings for liblxc, AppArmor and QEMU";

const ANSWERS = "a program would have to answer for the kernel for as long as the container runs, as a daemon does";
const BPF = "programs of BPF run in the kernel of the host, and an unprivileged container loads none there";
const CALLER = "your program decides which of its users may start or delete an instance";
const SELINUX = "containers and QEMU are confined by ids, seccomp and AppArmor, not by SELinux";
const SEV = "processors that encrypt the memory of a guest";

const SECTIONS_SECCOMP = "lxc.seccomp oci.seccomp";

/** The keys of an instance's configuration, but `limits.kernel.*` and `volatile.*`. */
export const INSTANCE_GROUPS: readonly Group[] = [
  {
    name: "boot",
    entries: [
      toCome(
        SUPERVISION,
        `boot.autorestart boot.autostart boot.autostart.delay boot.autostart.priority boot.host_shutdown_action
         boot.host_shutdown_timeout boot.stop.priority`,
      ),
    ],
  },
  {
    name: "cloud-init",
    entries: [
      toCome(
        CLOUD_INIT,
        `cloud-init.network-config cloud-init.user-data cloud-init.vendor-data user.network-config user.user-data
         user.vendor-data`,
      ),
    ],
  },
  {
    name: "migration",
    entries: [
      none(
        "CRIU can seldom restore a whole system, so a container does not move while it runs",
        "migration.incremental.memory migration.incremental.memory.goal migration.incremental.memory.iterations",
      ),
      toCome("snapshots with memory, and machines that move while they run", "migration.stateful"),
    ],
  },
  {
    name: "miscellaneous",
    entries: [
      none("the interfaces of a machine that our kernel boots always have the names of its nics", "agent.nic_config"),
      none("a host is one machine, and no cluster", "cluster.evacuate"),
      has(
        "environment.*",
        "env",
        { ...CONTAINERS_NEXT_START, qemu: "live" },
        "a machine's at once for what `exec` starts",
      ),
      toCome(KERNEL, "linux.kernel_modules linux.sysctl.*"),
      toCome(CREDENTIALS, "smbios11.* systemd.credential-binary.* systemd.credential.*"),
      has("user.*", "labels", ALL_LIVE),
    ],
  },
  {
    name: "nvidia",
    entries: [toCome(GPU, "nvidia.driver.capabilities nvidia.require.cuda nvidia.require.driver nvidia.runtime")],
  },
  {
    name: "oci",
    entries: [
      has("oci.cwd", "oci.workdir", { oci: "next-start" }),
      toCome(DNS, "oci.dns.domain oci.dns.nameservers oci.dns.search"),
      has("oci.entrypoint", "oci.entrypoint oci.cmd", { oci: "next-start" }, "lists of words"),
      has("oci.gid oci.uid", "oci.user", { oci: "next-start" }, '`"1000:1000"`, or names'),
    ],
  },
  {
    name: "raw",
    entries: [
      toCome(FIRMWARE, "initial.nvram-binary.<GUID>.<name> initial.nvram.<GUID>.<name>"),
      toCome(
        RAW,
        `raw.apparmor raw.lxc raw.qemu raw.qemu.conf raw.qemu.qmp.early raw.qemu.qmp.post-start raw.qemu.qmp.pre-start
         raw.qemu.scriptlet`,
      ),
      has(
        "raw.idmap",
        "lxc.idmap.extra oci.idmap.extra",
        CONTAINERS_CREATE,
        "`both 1000 1000` is `{ inside: 1000, outside: 1000 }`",
      ),
      has("raw.seccomp", SECTIONS_SECCOMP, CONTAINERS_NEXT_START, "a profile in Docker's format"),
    ],
  },
  {
    name: "resource-limits",
    entries: [
      has(
        "limits.cpu",
        "limits.cpu.limit limits.cpu.set",
        ALL_LIVE,
        "`set` of containers only; a q35 gets more at once up to `qemu.maxCpus`; fewer, and those of a microvm, with the next start",
      ),
      has(
        "limits.cpu.allowance",
        "limits.cpu.limit limits.cpu.priority",
        CONTAINERS_LIVE,
        "`25ms/100ms` is a limit of 0.25, `50%` a priority of 5",
      ),
      has("limits.cpu.nodes", "limits.cpu.set", CONTAINERS_LIVE, "the processors of the nodes, by number"),
      has("limits.cpu.priority", "limits.cpu.priority", CONTAINERS_LIVE, "a share: 5 is half of what 10 gets"),
      toCome("rates of disks", "limits.disk.priority"),
      toCome(
        HUGE_PAGES,
        "limits.hugepages.1GB limits.hugepages.1MB limits.hugepages.2MB limits.hugepages.64KB limits.memory.hugepages",
      ),
      has(
        "limits.memory",
        "limits.memory.limit",
        ALL_LIVE,
        "a size, no percentage; a q35 takes it at once between what it started with and `qemu.maxMemory`; what lies beyond, and a microvm's, with the next start",
      ),
      has(
        "limits.memory.enforce",
        "limits.memory.limit limits.memory.soft",
        CONTAINERS_LIVE,
        "`hard` is `limit`, `soft` is `soft`, and both can be set",
      ),
      has("limits.memory.hotplug", "qemu.maxMemory", { qemu: "next-start" }),
      toCome("the order in which the kernel ends programs when memory is short", "limits.memory.oom_priority"),
      has("limits.memory.swap", "limits.memory.swap", CONTAINERS_LIVE, "a size; 0 for none"),
      toCome("how readily its memory is swapped out", "limits.memory.swap.priority"),
      has("limits.processes", "limits.processes", CONTAINERS_LIVE),
    ],
  },
  {
    name: "security",
    entries: [
      toCome(
        FIRMWARE,
        `initial.secureboot.db initial.secureboot.dbt initial.secureboot.dbx initial.secureboot.kek
         initial.secureboot.mok initial.secureboot.pk security.csm security.secureboot`,
      ),
      none("the agent counts only when `metrics()` asks", "security.agent.metrics"),
      none(
        BPF,
        `security.bpffs.delegate_attachs security.bpffs.delegate_cmds security.bpffs.delegate_maps
         security.bpffs.delegate_progs security.bpffs.path`,
      ),
      toCome(GUEST_API, "security.guestapi security.guestapi.images"),
      has("security.idmap.base", "lxc.idmap.base oci.idmap.base", CONTAINERS_CREATE),
      has(
        "security.idmap.isolated",
        "lxc.idmap.mode oci.idmap.mode",
        CONTAINERS_CREATE,
        '`"isolated"` is the default, and `"shared"` stands for `false`',
      ),
      has("security.idmap.size", "lxc.idmap.size oci.idmap.size", CONTAINERS_CREATE),
      toCome("pci devices", "security.iommu"),
      none(
        "a system container may make namespaces and mounts anyway; for an application container see `capabilities` and `seccomp`",
        "security.nesting",
      ),
      has("security.privileged", "lxc.privileged oci.privileged", CONTAINERS_CREATE),
      none(CALLER, "security.protection.delete security.protection.start"),
      none("no start changes the owners of files on disk", "security.protection.shift"),
      none(
        SELINUX,
        "security.selinux.domain security.selinux.label_rootfs security.selinux.level security.selinux.type",
      ),
      noHardware(SEV, "security.sev security.sev.policy.es security.sev.session.data security.sev.session.dh"),
      has(
        "security.syscalls.allow security.syscalls.deny",
        SECTIONS_SECCOMP,
        CONTAINERS_NEXT_START,
        "a profile in Docker's format, which replaces the default",
      ),
      has(
        "security.syscalls.deny_compat",
        SECTIONS_SECCOMP,
        CONTAINERS_NEXT_START,
        "a profile whose `architectures` and `archMap` leave the 32-bit interface out",
      ),
      has(
        "security.syscalls.deny_default",
        SECTIONS_SECCOMP,
        CONTAINERS_NEXT_START,
        '`"default"`, or `"unconfined"` for `false`',
      ),
      none(
        ANSWERS,
        `security.syscalls.intercept.bpf security.syscalls.intercept.bpf.devices security.syscalls.intercept.mknod
         security.syscalls.intercept.mount security.syscalls.intercept.mount.allowed
         security.syscalls.intercept.mount.fuse security.syscalls.intercept.mount.shift
         security.syscalls.intercept.sched_setscheduler security.syscalls.intercept.setxattr
         security.syscalls.intercept.sysinfo`,
      ),
      none("it serves the permissions of a daemon's users", "security.tags"),
    ],
  },
  {
    name: "snapshots",
    entries: [
      toCome(
        SNAPSHOTS,
        `snapshots.expiry snapshots.expiry.manual snapshots.pattern snapshots.schedule snapshots.schedule.stopped`,
      ),
    ],
  },
];

/** Listed by Incus beside the other keys, one for each resource of setrlimit(2). */
export const KERNEL_LIMITS: Group = {
  name: "limits.kernel.*",
  entries: [
    toCome(
      "limits of setrlimit(2)",
      `limits.kernel.as limits.kernel.core limits.kernel.cpu limits.kernel.data limits.kernel.fsize limits.kernel.locks
       limits.kernel.memlock limits.kernel.nice limits.kernel.nofile limits.kernel.nproc limits.kernel.rtprio
       limits.kernel.sigpending`,
    ),
  ],
};
