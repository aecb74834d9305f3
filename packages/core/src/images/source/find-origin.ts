import type { ImageSourcePlugin } from "../../contract/image-source.ts";
import type { ImageSource, ImportOptions } from "../../contract/images.ts";
import { ConfigError } from "../../errors/all.ts";
import { prefixed } from "../import-hint.ts";
import type { LayerLimits } from "../layer/limits.ts";
import { debianOrigin } from "./debian.ts";
import { detectSource } from "./detect.ts";
import { diskOrigin } from "./disk.ts";
import { folderOrigin } from "./folder.ts";
import type { ImageOrigin } from "./origin.ts";
import { squashfsOrigin } from "./squashfs.ts";
import { tarOrigin } from "./tar.ts";

/** Prefixes of `@pileus/oci`, to distinguish a missing driver from a missing file. */
const OCI_PREFIX = /^(docker:\/\/|oci:|oci-archive:|docker-archive:)/;

/** `https://…`, `library:7`: more likely a reference of some kind than a path. */
const REFERENCE = /^[^/.].*:/s;

/** Finds the reader for a source. @throws {ConfigError} @throws {NotFoundError} @throws {ImageError} */
export async function findOrigin(
  source: ImageSource,
  plugins: readonly ImageSourcePlugin[],
  limits: LayerLimits,
  options: ImportOptions,
): Promise<ImageOrigin> {
  if (typeof source !== "string") return debianOrigin(source, options);
  if (source === "" || source.includes("\0"))
    throw new ConfigError("image source", [
      { path: [], message: "is empty or contains NUL: write a path or a reference" },
    ]);
  const plugin = plugins.find(({ prefixes }) => prefixes.some((prefix) => source.startsWith(prefix)));
  if (plugin !== undefined)
    return {
      name: source,
      lock: { source, architecture: options.architecture },
      load: (draft) => plugin.import(source, draft, options),
    };
  if (OCI_PREFIX.test(source))
    throw new ConfigError("image source", [
      { path: [], message: `${source} needs a driver that reads OCI images: give oci() of @pileus/oci to openHost()` },
    ]);
  const local = await detectSource(source, missingHint(source, plugins));
  switch (local.kind) {
    case "tar":
      return tarOrigin(source, local);
    case "squashfs":
      return squashfsOrigin(source, local, limits);
    case "folder":
      return folderOrigin(source, local);
    case "qcow2":
    case "raw":
      return diskOrigin(source, local, local.kind);
    default:
      return local.kind satisfies never;
  }
}

/** The hint for a missing file; it says more if the source does not look like a path. */
function missingHint(source: string, plugins: readonly ImageSourcePlugin[]): string {
  const hint = "no such file or folder";
  const spelling = prefixed(source);
  if (spelling === undefined && !REFERENCE.test(source)) return hint;
  const prefixes = plugins.flatMap((plugin) => plugin.prefixes);
  const others =
    prefixes.length > 0
      ? `, or begins with ${prefixes.join(" or ")}`
      : "; oci() of @pileus/oci, given to openHost(), reads registries and OCI archives";
  const paths = "the path of a tar, squashfs, folder, qcow2 or raw disk";
  return `${hint}; a source is ${paths}, or { type: "debian" }${others}${spelling === undefined ? "" : `; ${spelling}`}`;
}
