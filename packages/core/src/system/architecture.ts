import { HostError } from "../errors/all.ts";
import type { Architecture } from "../model/image.ts";

const NAMES: Readonly<Record<string, Architecture>> = { x64: "amd64", arm64: "arm64" };

/**
 * This host's architecture, by its OCI name. `arch` is a value of `process.arch`.
 *
 * @throws {HostError} for an architecture that Pileus has no images for.
 */
export function hostArchitecture(arch: string = process.arch): Architecture {
  const name = NAMES[arch];
  if (name !== undefined) return name;
  const need = `architecture:${Object.values(NAMES).join("|")}`;
  const fix = "use a host with x86-64 or 64-bit ARM processors";
  throw new HostError("determine which images can run", [{ need, reason: `this host is ${arch}`, fix }]);
}
