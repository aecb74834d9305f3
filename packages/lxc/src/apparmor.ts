import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { HostError, type Missing } from "@pileus/core";
import { findTool } from "@pileus/core/driver";
import type { ConfigEntry } from "./config/render.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

const ENABLED = "/sys/module/apparmor/parameters/enabled";
const PARSER = "apparmor_parser";
const SECURITYFS = "/sys/kernel/security/apparmor";
/** Where the parser keeps the compiled profiles of liblxc (lsm/apparmor.c, APPARMOR_CACHE_DIR). */
const CACHE = "/var/cache/lxc/apparmor";
/** On a file system that a reboot empties. */
const TOOLS = "/run/pileus/tools";

/**
 * How AppArmor can confine containers here. `absent`: the kernel does not use it. `generated`: liblxc generates a
 * profile for each container, and the parser at `parser` loads it. `loaded`: without a parser, only the profiles that
 * the kernel has already.
 */
export type Apparmor =
  | { readonly kind: "absent" }
  | { readonly kind: "generated"; readonly parser: string }
  | { readonly kind: "loaded"; readonly profiles: ReadonlySet<string> };

/**
 * Profiles of Debian's package lxc. The first lets a container mount, which is safe only for a container with ids of
 * its own.
 */
const PROFILES = { unprivileged: "lxc-container-default-with-nesting", privileged: "lxc-container-default-cgns" };

/** Reads how AppArmor can confine containers. */
export function readApparmor(): Apparmor {
  if (ifThere(() => readFileSync(ENABLED, "latin1"))?.trim() !== "Y") return { kind: "absent" };
  const policy = ifThere(() => readFileSync(`${SECURITYFS}/profiles`, "utf8"));
  const parser = findTool(PARSER);
  if (policy !== undefined && parser !== undefined) return { kind: "generated", parser };
  return { kind: "loaded", profiles: parseProfiles(policy ?? "") };
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
export function apparmorEntries(
  { idmap, name }: Pick<ContainerSpec, "idmap" | "name">,
  apparmor: Apparmor,
): readonly ConfigEntry[] {
  // Without AppArmor, liblxc would warn about its own default.
  if (apparmor.kind === "absent") return [["lxc.apparmor.profile", "unconfined"]];
  if (apparmor.kind === "generated")
    return [
      ["lxc.apparmor.profile", "generated"],
      // Programs inside may mount: systemd does so for its units.
      ["lxc.apparmor.allow_nesting", 1],
    ];
  const profile = PROFILES[idmap === undefined ? "privileged" : "unprivileged"];
  if (!apparmor.profiles.has(profile)) throw new HostError(`start container "${name}"`, [missingProfile(profile)]);
  return [["lxc.apparmor.profile", profile]];
}

/** What containers lack to be confined, for `doctor()`. */
export function missingApparmor(apparmor: Apparmor): readonly Missing[] {
  if (apparmor.kind !== "loaded" || apparmor.profiles.has(PROFILES.unprivileged)) return [];
  return [missingProfile(PROFILES.unprivileged)];
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
  return apparmor.kind === "generated" ? "a profile for each container" : `${PROFILES.unprivileged} for all`;
}

/**
 * The PATH of lxc-start: a folder with nothing but the parser. `undefined` if lxc-start needs no parser. The parser's
 * own folder could also contain newuidmap. If liblxc finds newuidmap on its PATH, it uses it, and newuidmap reads
 * /etc/subuid, where root usually has no line.
 */
export function parserPath(apparmor: Apparmor, folder = TOOLS): string | undefined {
  if (apparmor.kind !== "generated") return undefined;
  const link = join(folder, PARSER);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  // In one step, because other processes start containers, too.
  const draft = `${link}.${process.pid}`;
  rmSync(draft, { force: true });
  symlinkSync(apparmor.parser, draft);
  renameSync(draft, link);
  return folder;
}

/**
 * Removes the profile that liblxc generated for a run, its namespace of profiles, and the parser's cache of it. liblxc
 * removes the first two by itself, unless its monitor was killed; it never removes the third. Idempotent.
 */
export function removeProfile(spec: PlacedSpec): void {
  if (!existsSync(SECURITYFS)) return;
  // lsm/apparmor.c, apparmor_profile_full and apparmor_namespace
  const profile = `lxc-${spec.name}_<${containerPaths(spec).lxcpath}>`;
  const file = profile.replaceAll("/", "-");
  ifThere(() => rmdirSync(join(SECURITYFS, "policy/namespaces", file)));
  ifThere(() => writeFileSync(join(SECURITYFS, ".remove"), profile));
  // There is one folder for each set of features of the kernel.
  const features = ifThere(() => readdirSync(CACHE)) ?? [];
  for (const folder of features) rmSync(join(CACHE, folder, file), { force: true });
}

function ifThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
