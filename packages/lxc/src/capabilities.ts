import { objectAs } from "@pileus/core/driver";
import { z } from "zod";

/** The capabilities of Linux in the order of their numbers: linux/capability.h. */
export const LINUX_CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** A capability of Linux: capabilities(7), without the prefix `CAP_`. */
export type LinuxCapability = (typeof LINUX_CAPABILITIES)[number];

/** A capability in a configuration: `NET_ADMIN`, `CAP_NET_ADMIN`, or `all`. */
export type LinuxCapabilityInput = LinuxCapability | `CAP_${LinuxCapability}` | "all";

/** Changes of a driver's default capabilities, as a caller writes them. A capability cannot be in both lists. */
export interface CapabilitiesInput {
  /** Granted besides the defaults. `all`: every capability, except those of `drop`. */
  readonly add?: readonly LinuxCapabilityInput[] | undefined;
  /** Taken away from the defaults. `all`: every capability, except those of `add`. */
  readonly drop?: readonly LinuxCapabilityInput[] | undefined;
}

/** {@link CapabilitiesInput} with its defaults, without prefixes. */
export interface Capabilities {
  readonly add: readonly (LinuxCapability | "all")[];
  readonly drop: readonly (LinuxCapability | "all")[];
}

/**
 * What programs of application containers may have: Docker's default (moby, daemon/pkg/oci/caps/defaults.go). It lets a
 * program of root become other users and prepare their files.
 */
export const APPLICATION_CAPABILITIES: readonly LinuxCapability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/**
 * What system containers may have: all but the capabilities for the clock, the modules, the hardware and the security
 * module of the host, which Incus drops, too (driver_lxc.go, initLXC).
 */
export const SYSTEM_CAPABILITIES: readonly LinuxCapability[] = LINUX_CAPABILITIES.filter(
  (name) => !["SYS_TIME", "SYS_MODULE", "SYS_RAWIO", "MAC_ADMIN", "MAC_OVERRIDE"].includes(name),
);

/** The capabilities of a container: the defaults of its driver, changed by its configuration. */
export function grantedCapabilities(
  defaults: readonly LinuxCapability[],
  { add, drop }: Capabilities,
): ReadonlySet<LinuxCapability> {
  const base = add.includes("all") ? LINUX_CAPABILITIES : drop.includes("all") ? [] : defaults;
  return new Set([...base, ...add].filter((name) => name !== "all" && !drop.includes(name)) as LinuxCapability[]);
}

/** The bits of the kernel, as in CapBnd of proc_pid_status(5). */
export function capabilityMask(capabilities: Iterable<LinuxCapability>): bigint {
  let mask = 0n;
  for (const name of capabilities) mask |= 1n << BigInt(LINUX_CAPABILITIES.indexOf(name));
  return mask;
}

const CapabilitySchema = z
  .custom<LinuxCapabilityInput>(
    (value) => value === "all" || (typeof value === "string" && isCapability(withoutPrefix(value))),
    { error: ({ input }) => `no such capability: write ${spelling(input)}, as capabilities(7) names them` },
  )
  .transform((value): LinuxCapability | "all" => withoutPrefix(value) as LinuxCapability | "all");

/** What to write for a value that is no capability: its other spelling, or examples. */
function spelling(given: unknown): string {
  const upper = withoutPrefix(String(given).toUpperCase());
  if (upper === "ALL") return '"all" in lower case';
  return isCapability(upper) ? `"${upper}" in upper case` : "NET_ADMIN, CAP_NET_ADMIN or all";
}

function withoutPrefix(name: string): string {
  return name.startsWith("CAP_") ? name.slice(4) : name;
}

function isCapability(name: string): name is LinuxCapability {
  return (LINUX_CAPABILITIES as readonly string[]).includes(name);
}

const ListSchema = z
  .array(CapabilitySchema)
  .max(LINUX_CAPABILITIES.length + 1)
  .readonly()
  .default([]);

const ListsSchema = z.strictObject({ add: ListSchema, drop: ListSchema }, objectAs('{ add: ["NET_ADMIN"] }'));
const schema = ListsSchema.superRefine(({ add, drop }, context) => {
  for (const [at, name] of drop.entries())
    if (add.includes(name))
      context.addIssue({
        code: "custom",
        path: ["drop", at],
        message: `${name} is in add, too: leave one of them out`,
      });
});

/** Reads {@link CapabilitiesInput}. */
export const CapabilitiesSchema: z.ZodType<Capabilities, CapabilitiesInput> = schema;
