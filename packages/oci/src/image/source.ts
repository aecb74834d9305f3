import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { ImageError, type ImportOptions, type RegistryOptions } from "@pileus/core";
import {
  hostArchitecture,
  type ImageDescription,
  type ImageDraft,
  type ImageSourcePlugin,
  printable,
  type Spawn,
} from "@pileus/core/driver";
import { fetchLayers } from "./fetch.ts";
import { OciLayout } from "./layout.ts";
import { type Descriptor, MAX_DOCUMENT } from "./manifest.ts";
import { pinFile } from "./pinned-file.ts";
import { type ImageReference, PREFIXES, parseReference, renderReference } from "./reference.ts";
import { type Documents, type SelectedImage, selectImage } from "./select.ts";
import { renderCopy, renderInspect, runSkopeo, type SkopeoContext, trustPolicy } from "./skopeo.ts";

/** How images are fetched: the registries' credentials and certificates, and the policy of trust. */
export interface OciSourceOptions {
  /** Credentials and transport by registry (`"127.0.0.1:5000"`); what an import says itself goes before. */
  readonly registries?: Readonly<Record<string, RegistryOptions>> | undefined;
  /**
   * A trust policy (containers-policy.json(5)). Default: `/etc/containers/policy.json`, else unsigned images are
   * accepted.
   */
  readonly policy?: string | undefined;
  /**
   * Milliseconds: an import fails with a ConnectionError when nothing has come from a registry for so long. Default:
   * 60,000.
   */
  readonly stallTimeout?: number | undefined;
}

/** Opens the compressed bytes of layer number `index`, bottom first. */
type OpenLayer = (index: number) => Promise<Readable>;

/**
 * The kinds of source that this package adds to `images.import()`: registries and archives by skopeo, OCI layouts read
 * where they are. Documents are read and verified first; layers are fetched only if the store lacks one, and only those
 * it lacks.
 */
export function ociSource(spawn: Spawn, defaults: OciSourceOptions = {}): ImageSourcePlugin {
  return {
    prefixes: PREFIXES,
    async import(source, draft, options) {
      const reference = parseReference(source);
      const pins = options.digest === undefined ? [] : [options.digest];
      const registry = registryOptions(reference, defaults, options);
      const context: SkopeoContext = {
        reference,
        registry,
        folder: draft.folder,
        maxBytes: draft.maxBytes,
        policy: await trustPolicy(draft.folder, defaults.policy),
        stallTimeout: defaults.stallTimeout,
      };
      await mkdir(join(draft.folder, "tmp"), { recursive: true });
      // The digest of a docker-archive is its file's: its manifest is made up by whoever reads it.
      const ofFile = reference.transport === "docker-archive";
      const assertUnchanged = ofFile ? await pinFile(reference.path, pins, options) : undefined;
      const [documents, layers] = await open(spawn, context, options);
      const image = await selectImage(source, documents, {
        architecture: options.architecture ?? hostArchitecture(),
        pins: ofFile ? [] : [...pins, ...pinsOf(reference)],
      });
      const description = await addLayers(source, image, layers(image), draft);
      await assertUnchanged?.();
      return description;
    },
  };
}

/** What the reference itself demands. Skopeo looks at it too. */
function pinsOf(reference: ImageReference): readonly string[] {
  return reference.transport === "docker" && reference.digest !== undefined ? [reference.digest] : [];
}

/** Where the documents are read, and once they are, where the layers are. */
async function open(
  spawn: Spawn,
  context: SkopeoContext,
  options: ImportOptions,
): Promise<[Documents, (image: SelectedImage) => OpenLayer]> {
  const { reference } = context;
  switch (reference.transport) {
    case "docker-archive":
    case "docker":
      return [inspected(spawn, context, options), (image) => fetchLayers(spawn, context, image, options)];
    case "oci": {
      const layout = new OciLayout(reference.path, renderReference(reference));
      return [fromLayout(layout, reference.tag), (image) => (index) => layout.stream(layerOf(image, index))];
    }
    case "oci-archive": {
      // All platforms: an archive gives no access to one of them by its digest.
      await runSkopeo(spawn, context, renderCopy(context, { all: true }), { ...options, maxFile: context.maxBytes });
      const layout = new OciLayout(join(context.folder, "layout"), renderReference(reference));
      return [fromLayout(layout, undefined), (image) => (index) => layout.stream(layerOf(image, index))];
    }
    default:
      return reference satisfies never;
  }
}

function inspected(spawn: Spawn, context: SkopeoContext, options: ImportOptions): Documents {
  const fromRegistry = context.reference.transport === "docker";
  const bounds = { signal: options.signal, maxFile: fromRegistry ? MAX_DOCUMENT : context.maxBytes };
  const inspect = async (what: "manifest" | "config", digest?: string) =>
    Buffer.from(await runSkopeo(spawn, context, renderInspect(context, what, digest), bounds));
  const pinned = (digest: string) => (fromRegistry ? digest : undefined);
  return {
    manifest: (digest) => inspect("manifest", digest),
    config: (manifest) => inspect("config", pinned(manifest)),
  };
}

function fromLayout(layout: OciLayout, tag: string | undefined): Documents {
  return {
    async manifest(digest) {
      const found = await layout.find(tag);
      return layout.read(digest === undefined ? found : { ...found, digest }, "manifest");
    },
    config: (_manifest, config) => layout.read(config, "config"),
  };
}

async function addLayers(
  source: string,
  image: SelectedImage,
  open: OpenLayer,
  draft: ImageDraft,
): Promise<ImageDescription> {
  for (const [index, diffId] of image.diffIds.entries()) {
    const { digest, size } = layerOf(image, index);
    const layer = await draft.addLayer({ open: () => open(index), diffId, digest, size, whiteouts: true });
    if (layer.diffId !== diffId)
      throw new ImageError(source, `layer ${index} has diff ID ${layer.diffId}, not ${diffId}`);
  }
  return {
    kind: "oci",
    // The config names the diff IDs of the layers, so its digest covers content and config: it is what Docker calls the
    // image ID. That of the manifest would change with mere recompression.
    fingerprint: image.manifest.config.digest,
    architecture: image.architecture,
    process: image.process,
    properties: { "oci.manifest": image.digest, ...envNote(image.envLeftOut) },
  };
}

/** A user who misses a variable finds it here. */
function envNote(left: readonly string[]): Record<string, string> {
  return left.length === 0 ? {} : { "oci.envLeftOut": left.map((entry) => JSON.stringify(printable(entry))).join(" ") };
}

function layerOf({ manifest }: SelectedImage, index: number): Descriptor {
  const layer = manifest.layers[index];
  if (layer === undefined) throw new RangeError(`no layer ${index}`);
  return layer;
}

/**
 * The import's own options before those for the registry, key by key. Skopeo runs in another folder: paths become
 * absolute.
 */
function registryOptions(
  reference: ImageReference,
  { registries = {} }: OciSourceOptions,
  { registry = {} }: ImportOptions,
): RegistryOptions {
  const known = reference.transport === "docker" ? (registries[reference.registry] ?? {}) : {};
  const certDir = registry.certDir ?? known.certDir;
  const authFile = registry.authFile ?? known.authFile;
  return {
    tlsVerify: registry.tlsVerify ?? known.tlsVerify ?? true,
    certDir: certDir === undefined ? undefined : resolve(certDir),
    authFile: authFile === undefined ? undefined : resolve(authFile),
  };
}
