import { type Abortable, HostError, type Missing } from "@pileus/core";
import { findTool, readIfThereSync, spawn } from "@pileus/core/driver";
import { profileFor } from "./apparmor-profile.ts";
import type { ConfigEntry } from "./config/render.ts";
import { SYSTEM_CONFINEMENT } from "./confinement.ts";
import type { ContainerSpec } from "./container-spec.ts";

const ENABLED = "/sys/module/apparmor/parameters/enabled";
const PARSER = "apparmor_parser";
/** The profiles that the kernel has. */
const PROFILES = "/sys/kernel/security/apparmor/profiles";

/**
 * How AppArmor can confine containers here. `absent`: the kernel does not use it. `on`: the kernel has `profiles`, and
 * the program `parser` loads more, if it is there.
 */
export type Apparmor =
  | { readonly kind: "absent" }
  | { readonly kind: "on"; readonly profiles: ReadonlySet<string>; readonly parser: string | undefined };

/** What a profile depends on. */
export type ApparmorSpec = Pick<ContainerSpec, "idmap" | "hostName" | "confinement">;

/**
 * Profiles of Debian's package lxc. The first lets a container mount, which is safe only for a container with ids of
 * its own.
 */
const SUBSTITUTES = { unprivileged: "lxc-container-default-with-nesting", privileged: "lxc-container-default-cgns" };

/** Reads how AppArmor can confine containers. */
export function readApparmor(): Apparmor {
  if (readIfThereSync(ENABLED)?.trim() !== "Y") return { kind: "absent" };
  const policy = readIfThereSync(PROFILES);
  // The parser works on the same file system.
  return {
    kind: "on",
    profiles: parseProfiles(policy ?? ""),
    parser: policy === undefined ? undefined : findTool(PARSER),
  };
}

/** The names in `/sys/kernel/security/apparmor/profiles`, whose lines are `name (mode)`. */
export function parseProfiles(text: string): ReadonlySet<string> {
  return new Set(text.split("\n").flatMap((line) => /^(.+) \(\w+\)$/.exec(line)?.[1] ?? []));
}

/**
 * The profile of one container. Pure.
 *
 * @throws {HostError} if AppArmor is on and has no profile for the container: liblxc would use one in which systemd
 * does not boot, or none.
 */
export function apparmorEntries(spec: ApparmorSpec, apparmor: Apparmor): readonly ConfigEntry[] {
  // Without AppArmor, liblxc would warn about its own default.
  if (apparmor.kind === "absent") return [["lxc.apparmor.profile", "unconfined"]];
  const own = profileFor(spec.confinement ?? SYSTEM_CONFINEMENT);
  if (apparmor.parser !== undefined || apparmor.profiles.has(own.name))
    return [
      ["lxc.apparmor.profile", own.name],
      // A second /proc and /sys below /dev/.lxc, with nothing mounted over parts of them. Unless there are such, the
      // kernel lets nobody in a user namespace mount one, as a container in this container does (conf.c,
      // nesting_helpers).
      ...(own.mounting ? [["lxc.apparmor.allow_nesting", 1] as const] : []),
    ];
  const substitute = SUBSTITUTES[spec.idmap === undefined ? "privileged" : "unprivileged"];
  if (!apparmor.profiles.has(substitute))
    throw new HostError(`start container "${spec.hostName}"`, [missingProfile(substitute)]);
  return [["lxc.apparmor.profile", substitute]];
}

/**
 * Loads our profile of a container into the kernel, which keeps it until the host boots again. Does nothing if it is
 * there or if there is no parser. Several processes can do so at once: they load the same.
 *
 * @throws {CommandError} if the parser does not accept it, with what it says.
 */
export async function loadProfile(spec: ApparmorSpec, apparmor: Apparmor, options: Abortable = {}): Promise<void> {
  if (apparmor.kind === "absent" || apparmor.parser === undefined) return;
  const { name, text } = profileFor(spec.confinement ?? SYSTEM_CONFINEMENT);
  if (apparmor.profiles.has(name)) return;
  await spawn([apparmor.parser, "--replace", "--skip-cache"], { ...options, stdin: text });
}

/** What containers lack to be confined, for `doctor()`. */
export function missingApparmor(apparmor: Apparmor): readonly Missing[] {
  if (apparmor.kind === "absent" || apparmor.parser !== undefined) return [];
  return apparmor.profiles.has(SUBSTITUTES.unprivileged) ? [] : [missingProfile(SUBSTITUTES.unprivileged)];
}

function missingProfile(profile: string): Missing {
  return {
    need: `binary:${PARSER}`,
    reason: `AppArmor is on, ${PARSER} is missing or /sys/kernel/security is not mounted, and ${profile} is not loaded`,
    fix: "apt-get install apparmor; mount -t securityfs securityfs /sys/kernel/security",
  };
}

/** For `doctor()`. */
export function describeApparmor(apparmor: Apparmor): string {
  if (apparmor.kind === "absent") return "off";
  return apparmor.parser === undefined ? `${SUBSTITUTES.unprivileged} for all` : "a profile for each kind of container";
}
