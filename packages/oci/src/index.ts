/**
 * Application containers: one program of an OCI image as PID 1, by skopeo and liblxc.
 *
 * Runs images of a registry without a daemon: `openHost({ root, drivers: [oci()] })`, then
 * `host.images.import("docker://…")` and `host.create({ driver: "oci", … })`. A whole distribution with its own init
 * runs under `@pileus/lxc`. This package does not build images, but `writeOciLayout()` makes one from tars. Start
 * reading at `oci.ts`; `image/source.ts` imports images, and `process.ts` interprets their config.
 */
export type { OciCapability } from "./backend.ts";
export { writeOciLayout } from "./image/write.ts";
export type { OciLayoutOptions } from "./image/write-options.ts";
export { type OciDriver, type OciOptions, oci } from "./oci.ts";
export { type OciSection, type OciSectionInput, OciSectionSchema } from "./section.ts";
