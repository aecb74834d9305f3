import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImportOptions } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { lacking, requires } from "@pileus/core/testing";
import { digestOf } from "../../src/image/manifest.ts";
import { ociSource } from "../../src/image/source.ts";
import { buildImage } from "./build-image.ts";
import { fakeDraft } from "./fake-draft.ts";

const NEEDS = ["root", "binary:skopeo", "binary:openssl"] as const;
export const real = (test: () => Promise<void>) => requires(NEEDS, test);
export const source = ociSource(spawn);

/** A folder with a layout of one image with three layers. */
export class SourceFixture {
  readonly folder: string;
  readonly image: Awaited<ReturnType<typeof buildImage>>;

  private constructor(folder: string, image: Awaited<ReturnType<typeof buildImage>>) {
    this.folder = folder;
    this.image = image;
  }

  /** `undefined` if no test will run. */
  static async open(): Promise<SourceFixture | undefined> {
    if (NEEDS.some((need) => lacking(need) !== undefined)) return undefined;
    const folder = await mkdtemp(join(tmpdir(), "pileus-oci-source-"));
    const image = await buildImage(folder, "a", ["busybox", { "etc/motd": "hello" }, { "etc/.wh.motd": "" }], {
      entrypoint: ["/bin/sh", "-c"],
      stopSignal: "SIGINT",
    });
    return new SourceFixture(folder, image);
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  /** Imports into a fresh draft of a store that has the layers `known`. */
  async load(from: string, options: ImportOptions = {}, known: readonly string[] = [], by = source) {
    const draft = await fakeDraft(this.folder, new Set(known));
    const description = await by.import(from, draft, options);
    return { draft, description };
  }

  /** Writes another layout, tagged `all`, whose index has the image as one of two platforms. */
  async writeIndex(name: string) {
    const draft = join(this.folder, `index-${name}`);
    await mkdir(draft, { recursive: true });
    const layout = join(draft, "layout");
    await spawn(["skopeo", "copy", "--quiet", this.image.source, `oci:${layout}:one`]);
    const put = async (path: string, value: unknown) => writeFile(join(layout, path), JSON.stringify(value));
    const blob = async (mediaType: string, value: unknown) => {
      const bytes = Buffer.from(JSON.stringify(value));
      const hash = digestOf(bytes);
      await writeFile(join(layout, "blobs/sha256", hash.slice("sha256:".length)), bytes);
      return { mediaType, digest: hash, size: bytes.length };
    };
    const [one] = JSON.parse(await readFile(join(layout, "index.json"), "utf8")).manifests;
    const manifest = JSON.parse(await readFile(join(layout, "blobs/sha256", one.digest.slice(7)), "utf8"));
    const foreign = await blob("application/vnd.oci.image.config.v1+json", {
      architecture: "s390x",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: this.image.diffIds },
    });
    const other = await blob("application/vnd.oci.image.manifest.v1+json", { ...manifest, config: foreign });
    const index = await blob("application/vnd.oci.image.index.v1+json", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [
        { ...other, platform: { os: "linux", architecture: "s390x" } },
        {
          mediaType: one.mediaType,
          digest: one.digest,
          size: one.size,
          platform: { os: "linux", architecture: process.arch === "x64" ? "amd64" : "arm64" },
        },
      ],
    });
    await put("index.json", {
      schemaVersion: 2,
      manifests: [{ ...index, annotations: { "org.opencontainers.image.ref.name": "all" } }],
    });
    return { layout, digest: index.digest };
  }
}
