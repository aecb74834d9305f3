import type { IdmapSettings } from "@pileus/core";
import { z } from "zod";
import {
  APPLICATION_CAPABILITIES,
  type Capabilities,
  type CapabilitiesInput,
  CapabilitiesSchema,
  grantedCapabilities,
  type LinuxCapability,
  SYSTEM_CAPABILITIES,
} from "./capabilities.ts";
import type { ConfinementSpec } from "./confinement.ts";
import { applicationPolicy, systemPolicy } from "./seccomp/default-policies.ts";
import type { Policy } from "./seccomp/policy.ts";
import { profilePolicy, type SeccompProfile, SeccompProfileSchema } from "./seccomp/profile.ts";

/** What the programs of a container may do, as a caller writes it: keys of the sections `lxc` and `oci`. */
export interface ConfinementInput {
  /**
   * Changes of the capabilities that programs can have at most, root's included. Default of an application container:
   * the 14 of Docker; of a system container: all but `SYS_TIME`, `SYS_MODULE`, `SYS_RAWIO`, `MAC_ADMIN` and
   * `MAC_OVERRIDE`.
   */
  readonly capabilities?: CapabilitiesInput | undefined;
  /**
   * Programs gain no rights when they execute a file: setuid bits and capabilities of files have no effect, so `sudo`
   * does not work. Default of an application container: true; of a system container: false.
   */
  readonly noNewPrivileges?: boolean | undefined;
  /**
   * The system calls that programs may use. `default`: for an application container the list of Docker, for a system
   * container all but those that affect the host, and those for keys if it has `idmap.extra`. `unconfined`: all. A profile
   * replaces the list.
   */
  readonly seccomp?: "default" | "unconfined" | SeccompProfile | undefined;
}

/** {@link ConfinementInput} with the defaults of its driver. */
export interface ConfinementSection {
  /** Changes of the capabilities that programs can have at most. */
  readonly capabilities: Capabilities;
  /** Programs gain no rights when they execute a file. */
  readonly noNewPrivileges: boolean;
  /** The system calls that programs may use. */
  readonly seccomp: "default" | "unconfined" | SeccompProfile;
}

/** What a driver gives its containers unless their configuration asks otherwise. */
export interface ConfinementDefaults {
  readonly capabilities: readonly LinuxCapability[];
  readonly noNewPrivileges: boolean;
  readonly hideSystemPaths: boolean;
  /** The system calls that a program with these capabilities may make; some users inside may be users of the host. */
  readonly policy: (capabilities: ReadonlySet<LinuxCapability>, hasHostUsers: boolean) => Policy;
}

/** What programs of images rely on: Docker's defaults. In addition, no program gains rights by executing a file. */
export const APPLICATION_DEFAULTS: ConfinementDefaults = {
  capabilities: APPLICATION_CAPABILITIES,
  noNewPrivileges: true,
  hideSystemPaths: true,
  policy: applicationPolicy,
};

/** What a whole distribution needs: the defaults of Incus. */
export const SYSTEM_DEFAULTS: ConfinementDefaults = {
  capabilities: SYSTEM_CAPABILITIES,
  noNewPrivileges: false,
  hideSystemPaths: false,
  policy: (_capabilities, hasHostUsers) => systemPolicy(hasHostUsers),
};

const SECCOMP = 'must be "default", "unconfined", or a profile in Docker\'s format';
const words = (issue: { readonly input?: unknown }) =>
  typeof issue.input === "string" && /[{/.]/.test(issue.input)
    ? `${SECCOMP}, as an object: JSON.parse(await readFile(path, "utf8"))`
    : SECCOMP;

/** The keys of {@link ConfinementInput} for the schema of a section. */
export function confinementKeys({ noNewPrivileges }: ConfinementDefaults) {
  return {
    capabilities: CapabilitiesSchema.prefault({}),
    noNewPrivileges: z.boolean().default(noNewPrivileges),
    seccomp: z.union([z.enum(["default", "unconfined"], { error: words }), SeccompProfileSchema]).default("default"),
  };
}

/** What a section says of the programs of a container. The record of an older instance lacks these keys. Pure. */
export function confinementOf(
  section: Partial<ConfinementSection> & {
    readonly systemPaths?: "default" | "unconfined" | undefined;
    readonly idmap?: IdmapSettings | undefined;
  },
  defaults: ConfinementDefaults,
): ConfinementSpec {
  const { noNewPrivileges = defaults.noNewPrivileges, seccomp = "default" } = section;
  const capabilities = grantedCapabilities(defaults.capabilities, section.capabilities ?? { add: [], drop: [] });
  const hideSystemPaths = defaults.hideSystemPaths && section.systemPaths !== "unconfined";
  const hasHostUsers = section.idmap?.extra?.some((line) => line.of !== "gid") ?? false;
  const policy = policyOf(seccomp, capabilities, (allowed) => defaults.policy(allowed, hasHostUsers));
  return { capabilities, noNewPrivileges, seccomp: policy, hideSystemPaths };
}

function policyOf(
  seccomp: ConfinementSection["seccomp"],
  capabilities: ReadonlySet<LinuxCapability>,
  policyByDefault: (capabilities: ReadonlySet<LinuxCapability>) => Policy,
): Policy | undefined {
  if (seccomp === "unconfined") return undefined;
  if (seccomp === "default") return policyByDefault(capabilities);
  return profilePolicy(seccomp, { architecture: process.arch, capabilities });
}
