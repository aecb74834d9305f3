import { existsSync } from "node:fs";
import { join } from "node:path";

/** A valid name of an image in a registry, with tag and digest (distribution/reference, regexp.go). */
const NAME =
  /^[a-z0-9][a-z0-9._/-]*(?::[0-9]{1,5}\/[a-z0-9._/-]+)?(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]+)?$/;

/** A name that is more likely a file name. */
const FILE = /^[^:@]*\.(?:tar|tgz|gz|xz|zst|bz2|zip|img|raw|iso|qcow2|vmdk|vhdx|squashfs|sqfs)$/;

/** A source that `images.import()` recognises by its prefix. */
const PREFIXED = /^(?:docker:\/\/|oci:|oci-archive:|docker-archive:)/;

/**
 * How to write an image that `text` names without its prefix, as for `docker pull` and `podman`; `undefined` if `text`
 * is no such name.
 */
export function prefixed(text: string): string | undefined {
  const foreign = ofOtherTools(text);
  if (foreign !== undefined) return foreign;
  const layout = [text, text.replace(/:[^:/]*$/, "")].find((folder) => isLayout(folder));
  if (layout !== undefined) return `an OCI layout is oci:${text}`;
  // `docker:redis:7` lacks only the slashes.
  const name = text.replace(/^docker:(?=[a-z])/, "");
  if (!NAME.test(name) || FILE.test(name)) return undefined;
  const full = `docker://${withRegistry(name)}`;
  const short = `docker://${name}`;
  return `an image of a registry is ${short}${full === short ? "" : `, in full ${full}`}`;
}

/** How to get what Incus, skopeo, podman and browsers name in a way of their own. */
function ofOtherTools(text: string): string | undefined {
  const [, tool, name = ""] = /^(images|docker-daemon|containers-storage|file):(.*)$/.exec(text) ?? [];
  if (tool === "images")
    return 'the images of Incus are not downloaded: import { type: "debian", suite: "bookworm" }, or the path of a rootfs tar';
  if (tool === "docker-daemon" || tool === "containers-storage") {
    const save = tool === "docker-daemon" ? "docker save" : "podman save";
    return `write the image to a file with ${save} -o image.tar ${name}, and import docker-archive:image.tar`;
  }
  if (tool === "file") return `write the path alone: ${name.replace(/^\/\/(?:localhost)?(?=\/)/, "")}`;
  return undefined;
}

/** The hint for a reference without an image in the store. */
export function importHint(reference: string): string {
  const source = PREFIXED.test(reference) ? `images.import("${reference}")` : undefined;
  const spelling = source ?? prefixed(reference);
  return `import it first${spelling === undefined ? "" : ` (${spelling})`}, or list() what there is`;
}

/** image-layout.md: the file that every layout has. */
export function isLayout(folder: string): boolean {
  return folder !== "" && !folder.includes("\0") && existsSync(join(folder, "oci-layout"));
}

/** distribution/reference, normalize.go, splitDockerDomain: a registry has a dot or a port, or is localhost. */
function withRegistry(name: string): string {
  const [first = "", ...others] = name.split("/");
  if (others.length === 0) return `docker.io/library/${name}`;
  return /[.:]/.test(first) || first === "localhost" ? name : `docker.io/${name}`;
}
