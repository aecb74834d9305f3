import { resolve } from "node:path";
import { ConfigError } from "@pileus/core";

/** The parts of a reference to an OCI image. Paths are absolute. */
export type ImageReference =
  | {
      readonly transport: "docker";
      /** `host` or `host:port`; `docker.io` if the reference names none. */
      readonly registry: string;
      /** The repository in the registry. */
      readonly name: string;
      /** `latest` if the reference has neither tag nor digest. Absent with a digest and no tag. */
      readonly tag?: string | undefined;
      readonly digest?: string | undefined;
    }
  | { readonly transport: "oci" | "oci-archive"; readonly path: string; readonly tag?: string | undefined }
  | {
      readonly transport: "docker-archive";
      readonly path: string;
      /** A name with a tag, or `@N` for the image at place N. */
      readonly name?: string | undefined;
    };

/** The prefixes of {@link parseReference}. */
export const PREFIXES = ["docker://", "oci:", "oci-archive:", "docker-archive:"] as const;

// distribution/reference, regexp.go: the grammar that all registries and clients share. Anchored, and without nested
// repetition of overlapping sets, so that no input takes more than linear time.
const REGISTRY =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
// image-spec, annotations.md: the grammar of org.opencontainers.image.ref.name.
const REF_NAME = /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;

/**
 * Parses a reference: `docker://host[:port]/name[:tag][@sha256:…]`, `oci:folder[:tag]`, `oci-archive:file[:tag]`,
 * `docker-archive:file[:name:tag]`. As in skopeo, the path of the last three ends at the first colon.
 *
 * @throws {ConfigError} that tells which part is wrong
 */
export function parseReference(text: string): ImageReference {
  const fail = (message: string): never => {
    throw new ConfigError(`image reference ${JSON.stringify(text.slice(0, 300))}`, [{ path: [], message }]);
  };
  if (text.length > 4096) fail("it is longer than 4096 characters");
  if (text.startsWith("docker://")) return parseDocker(text.slice("docker://".length), fail);
  const transport = (["oci", "oci-archive", "docker-archive"] as const).find((name) => text.startsWith(`${name}:`));
  if (transport === undefined) return fail(`it must begin with ${PREFIXES.join(" or ")}`);
  const rest = text.slice(transport.length + 1);
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (path === "") fail("it names no path");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (/[\0-\x1f\x7f]/.test(path)) fail("the path has a control character");
  if (transport !== "oci" && resolve(path).includes(":")) fail("the working folder has a colon: give another path");
  const name = colon < 0 ? undefined : rest.slice(colon + 1);
  if (transport === "docker-archive") {
    if (name !== undefined && !/^@\d{1,9}$/.test(name)) {
      const parsed = parseDocker(name, fail);
      if (parsed.digest !== undefined) fail("an archive has no digests: name the tag");
    }
    return { transport, path: resolve(path), name };
  }
  if (name !== undefined && !isRefName(name))
    fail(`${JSON.stringify(name)} is not a name of an image in a layout (a path must not have a colon)`);
  return { transport, path: resolve(path), tag: name };
}

/** Whether an image in a layout can have this name. */
export function isRefName(name: string): boolean {
  return name.length <= 255 && REF_NAME.test(name);
}

function parseDocker(text: string, fail: (message: string) => never) {
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !DIGEST.test(digest))
    fail(`${JSON.stringify(digest)} is not a digest: write sha256: and 64 hexadecimal digits`);
  const named = at < 0 ? text : text.slice(0, at);
  const slash = named.lastIndexOf("/");
  const colon = named.indexOf(":", slash + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag))
    fail(
      `${JSON.stringify(tag)} is not a tag: write up to 128 of a-z, A-Z, 0-9, _ . -, without . or - at the beginning`,
    );
  const path = (colon < 0 ? named : named.slice(0, colon)).split("/");
  const [head = "", ...tail] = path;
  // distribution/reference, normalize.go: the first part is a host only if it looks like one.
  const hasHost = tail.length > 0 && (/[.:[]/.test(head) || head === "localhost");
  const registry = hasHost ? head : "docker.io";
  if (!REGISTRY.test(registry) || Number(/:(\d+)$/.exec(registry)?.[1] ?? 1) > 65535)
    fail(`${JSON.stringify(registry)} is not a host with an optional port`);
  const components = hasHost ? tail : path.length === 1 ? ["library", ...path] : path;
  const wrong = components.find((component) => !COMPONENT.test(component));
  if (wrong !== undefined)
    fail(
      `${JSON.stringify(wrong)} cannot be part of a repository's name: write a-z and 0-9, joined by one . or _, or by __ or -`,
    );
  const name = components.join("/");
  if (name.length > 255) fail("the repository's name is longer than 255 characters");
  return {
    transport: "docker",
    registry,
    name,
    tag: tag ?? (digest === undefined ? "latest" : undefined),
    digest,
  } as const;
}

/** The reference in skopeo's form (containers-transports(5)), pinned to `digest` if one is given. */
export function renderReference(reference: ImageReference, digest?: string): string {
  switch (reference.transport) {
    case "docker": {
      // skopeo refuses a tag together with a digest; the digest is more precise.
      const pin = digest ?? reference.digest;
      return `docker://${reference.registry}/${reference.name}${pin === undefined ? `:${reference.tag}` : `@${pin}`}`;
    }
    case "oci":
    case "oci-archive":
      return `${reference.transport}:${reference.path}${reference.tag === undefined ? "" : `:${reference.tag}`}`;
    case "docker-archive":
      return `docker-archive:${reference.path}${reference.name === undefined ? "" : `:${reference.name}`}`;
    default:
      return reference satisfies never;
  }
}
