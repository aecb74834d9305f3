import { readFileSync } from "node:fs";
import { capabilityMask, LINUX_CAPABILITIES, type LinuxCapability, SYSTEM_CAPABILITIES } from "./capabilities.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { compileFilter } from "./seccomp/compile.ts";
import { systemPolicy } from "./seccomp/default-policies.ts";
import type { Policy } from "./seccomp/policy.ts";

/** The bytes of an encoded confinement before its filter. */
const CONFINEMENT_HEAD = 16;

/** What the programs of a container may do, PID 1 and those of `exec` alike. */
export interface ConfinementSpec {
  /** No program can have more, whatever file root inside executes. */
  readonly capabilities: Iterable<LinuxCapability>;
  /** The system calls. If absent, there is no filter. */
  readonly seccomp: Policy | undefined;
  /** Programs gain no rights when they execute a file: setuid bits and capabilities of files have no effect. */
  readonly noNewPrivileges: boolean;
  /** Whether what /proc and /sys show of the whole host is hidden or read-only: config/system-paths.ts. */
  readonly hideSystemPaths: boolean;
}

/** What a system container gets by default. */
export const SYSTEM_CONFINEMENT: ConfinementSpec = {
  capabilities: SYSTEM_CAPABILITIES,
  seccomp: systemPolicy(),
  noNewPrivileges: false,
  hideSystemPaths: false,
};

/** Restricts nothing. */
export const UNCONFINED: Buffer = encodeConfinement({
  capabilities: LINUX_CAPABILITIES,
  seccomp: undefined,
  hideSystemPaths: false,
});

/**
 * A confinement as our helpers read it, helper/confine.h: the capabilities to keep, how many instructions the filter
 * has, whether the settings of its network are read-only, and the instructions.
 *
 * @throws {UnsupportedError} if this host has an architecture whose system calls are unknown
 */
export function encodeConfinement({
  capabilities,
  seccomp,
  hideSystemPaths,
}: Omit<ConfinementSpec, "noNewPrivileges">): Buffer {
  const filter = seccomp === undefined ? Buffer.alloc(0) : compiled(seccomp);
  const head = Buffer.alloc(CONFINEMENT_HEAD);
  head.writeBigUInt64LE(capabilityMask(capabilities), 0);
  head.writeUInt32LE(filter.length / 8, 8);
  head.writeUInt32LE(hideSystemPaths ? 1 : 0, 12);
  return Buffer.concat([head, filter]);
}

/** For a run that an older version of this library started: liblxc then loads a filter itself. */
const LEGACY = encodeConfinement({ ...SYSTEM_CONFINEMENT, seccomp: undefined });

/** The confinement that a run was started with. A later change of the configuration does not change it. */
export function readConfinement(spec: PlacedSpec): Buffer {
  try {
    return readFileSync(containerPaths(spec).confinement);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return LEGACY;
    throw error;
  }
}

/** Compiling a filter takes milliseconds, and most containers have the same policy. */
const FILTERS = new WeakMap<Policy, Buffer>();

function compiled(policy: Policy): Buffer {
  const known = FILTERS.get(policy) ?? compileFilter(policy, process.arch);
  FILTERS.set(policy, known);
  return known;
}
