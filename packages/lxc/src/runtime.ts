/**
 * `@pileus/lxc/runtime`: a container of liblxc with any program as PID 1, on a copy-on-write root.
 *
 * The runtime of `lxc()` and of `@pileus/oci`. In the order of use: {@link makeRoot} once, then for each run {@link
 * launchContainer}, which has its root prepared on the way, and {@link releaseContainer} whatever happened.
 * After a crash of this process: {@link adoptContainer}. Finally: {@link removeContainer}. For authors of drivers;
 * callers open a host with a driver.
 */

export type { LinuxCapability } from "./capabilities.ts";
export type { ConfinementSpec } from "./confinement.ts";
export {
  APPLICATION_DEFAULTS,
  type ConfinementDefaults,
  type ConfinementInput,
  type ConfinementSection,
  confinementKeys,
  confinementOf,
} from "./confinement-section.ts";
export { adoptContainer, launchContainer, type PrepareContainer } from "./container.ts";
export type { ContainerRunning } from "./container-running.ts";
export type { ContainerSpec, ExecDefaults, InitSpec, RootSpec } from "./container-spec.ts";
export { refusedVariables } from "./environment.ts";
export { type ContainerIds, containerIds, type IdmapSection, idmapIssue, idmapRequest } from "./idmap.ts";
export { lastExit } from "./last-exit.ts";
export { writeNetworkFiles } from "./network-files.ts";
export { planContainer } from "./plan-container.ts";
export { probeRuntime } from "./probe.ts";
export { refusals } from "./refusals.ts";
export { type ReleaseSpec, releaseContainer, removeContainer } from "./release.ts";
export { makeRoot } from "./root.ts";

export type { Action, Comparison, Policy, Rule } from "./seccomp/policy.ts";
export { refusedProfile } from "./seccomp/refused-profile.ts";
export { assertMapped, resolveUser } from "./user.ts";
