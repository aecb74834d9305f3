import { type Architecture, ImageError } from "@pileus/core";
import { printable } from "@pileus/core/driver";
import type { Descriptor, Index } from "./manifest.ts";
import { mediaKind } from "./media-type.ts";

/** Names of kernels and compilers for those of GOARCH: containerd, platforms/database.go, accepts the same. */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
};

/** An architecture by its name in the image specification; `undefined` if an image names none. */
export function normalArchitecture(name: string | null | undefined): string | undefined {
  if (!name) return undefined;
  const lower = name.toLowerCase();
  return ALIASES[lower] ?? lower;
}

/** The operating system; like containerd, this treats an image that names none as one for Linux. */
export function normalOs(name: string | null | undefined): string {
  return name ? name.toLowerCase() : "linux";
}

/** The variant that every processor of an architecture supports, and its spellings. */
const BASELINES: Readonly<Record<Architecture, readonly string[]>> = { amd64: ["v1", "1"], arm64: ["v8", "8"] };

/**
 * The descriptor of the image for Linux on an architecture, or of an index that leads to it. Among several variants
 * (arm64 `v8`, amd64 `v2`) the most basic wins, because every processor runs it. If none fits, takes the first that
 * names no platform, because its config tells. @throws {ImageError} that names the available platforms
 */
export function choosePlatform(image: string, index: Index, architecture: Architecture): Descriptor {
  const rank = (variant: string | null | undefined): number =>
    !variant ? 0 : BASELINES[architecture].includes(variant.toLowerCase()) ? 1 : 2;
  const images = index.manifests.filter(({ mediaType }) => ["manifest", "index"].includes(mediaKind(mediaType)));
  // An index lists attestations as manifests for unknown/unknown, which never match.
  const [chosen] = images
    .filter(({ platform }) => platform && normalOs(platform.os) === "linux")
    .filter(({ platform }) => normalArchitecture(platform?.architecture) === architecture)
    .filter(({ platform }) => rank(platform?.variant) < 2)
    .sort((a, b) => rank(a.platform?.variant) - rank(b.platform?.variant));
  // Like containers/image, oci_index.go, this takes manifests without a platform last.
  const found = chosen ?? images.find(({ platform }) => !platform?.architecture && !platform?.os);
  if (found !== undefined) return found;
  const known = index.manifests
    .map(({ platform }) => [platform?.os, platform?.architecture, platform?.variant].filter(Boolean).join("/"))
    .filter((name) => name !== "" && !name.startsWith("unknown"));
  const there =
    known.length === 0
      ? "no image that names its platform"
      : known
          .slice(0, 20)
          .map((name) => printable(name))
          .join(", ");
  throw new ImageError(image, `it has no linux/${architecture}; it has ${there}`);
}
