/**
 * System containers: a driver over liblxc.
 *
 * `openHost({ drivers: [lxc()] })` is all that a caller needs. A container runs the image's own init on the host's
 * kernel, unprivileged unless asked otherwise, on a copy-on-write root over the shared image. For programs of OCI
 * images see `@pileus/oci`, for machines with their own kernel `@pileus/qemu`, and for the runtime of both container
 * drivers `@pileus/lxc/runtime`. Start reading at `lxc.ts`, then `backend.ts`.
 */
export type { LxcCapability } from "./backend.ts";
export type { Capabilities, CapabilitiesInput, LinuxCapability, LinuxCapabilityInput } from "./capabilities.ts";
export type { ConfinementInput, ConfinementSection } from "./confinement-section.ts";
export { type LxcDriver, lxc } from "./lxc.ts";
export type {
  SeccompAction,
  SeccompArgument,
  SeccompCondition,
  SeccompProfile,
  SeccompRule,
} from "./seccomp/profile.ts";
export { type LxcSection, type LxcSectionInput, LxcSectionSchema } from "./section.ts";
