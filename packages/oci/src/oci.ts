import { type Driver, spawn } from "@pileus/core/driver";
import { OciBackend, type OciCapability } from "./backend.ts";
import { type OciSourceOptions, ociSource } from "./image/source.ts";
import { probe } from "./probe.ts";
import { OciSectionSchema } from "./section.ts";

/** Options of `oci()`: how it fetches images. */
export type OciOptions = OciSourceOptions;

const CAPABILITIES: ReadonlySet<OciCapability> = new Set([
  "exec",
  "detached",
  "files",
  "freeze",
  "network",
  "metrics",
  "logs",
]);

/** The type of {@link oci}. An editor shows it by this name. */
export interface OciDriver extends Driver<"oci", OciCapability, typeof OciSectionSchema> {}

/**
 * The driver for application containers: one program of an OCI image as PID 1, unprivileged unless asked otherwise.
 *
 * @throws {ConfigError} if an option is invalid.
 */
export function oci(options: OciOptions = {}): OciDriver {
  return {
    name: "oci",
    kind: "application-container",
    capabilities: CAPABILITIES,
    section: OciSectionSchema,
    accepts: ["oci"],
    sources: [ociSource(spawn, options)],
    probe: (probeOptions = {}) => probe(spawn, probeOptions),
    open: (context) => new OciBackend(context),
  };
}
