/**
 * Application containers: one program of an OCI image as PID 1, by skopeo and liblxc.
 *
 * For whoever runs images of a registry without a daemon: `openHost({ root, drivers: [oci()] })`, then
 * `host.images.import("docker://…")` and `host.create({ driver: "oci", … })`. Not for a whole distribution with its own init, which
 * `@pileus/lxc` runs, nor for building images, but for `writeOciLayout()`, which makes one of tars.
 * Start reading at `oci.ts`; how an image comes in is `image/source.ts`, what becomes of its config `process.ts`.
 */
export type { OciCapability } from "./backend.ts";
export { writeOciLayout } from "./image/write.ts";
export type { OciLayoutOptions } from "./image/write-options.ts";
export { type OciOptions, oci } from "./oci.ts";
export { type OciSection, type OciSectionInput, OciSectionSchema } from "./section.ts";
