import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ImageError, NotFoundError } from "@pileus/core";
import { printable } from "@pileus/core/driver";
import {
  assertDigest,
  assertSize,
  type Descriptor,
  type Index,
  IndexSchema,
  MAX_DOCUMENT,
  parseDocument,
} from "./manifest.ts";
import { mediaKind } from "./media-type.ts";
import { REF_NAME } from "./write.ts";

/**
 * An OCI image layout (image-spec, image-layout.md): a folder of blobs. Its author is not trusted, so a blob is opened
 * without following a link and must be a regular file: no fifo can block the import, and no device is read.
 */
export class OciLayout {
  readonly #folder: string;
  readonly #image: string;

  /** `image` is its name in errors. */
  constructor(folder: string, image: string) {
    this.#folder = folder;
    this.#image = image;
  }

  /**
   * The manifest or index of the named image. Without a name, that of the only image.
   *
   * @throws {NotFoundError} when there is no layout, or no such image. @throws {ImageError}
   */
  async find(tag: string | undefined): Promise<Descriptor> {
    const folder = await realpath(this.#folder).catch((cause: unknown) => {
      throw new NotFoundError("host file", this.#folder, { cause });
    });
    const index: Index = parseDocument(
      this.#image,
      "index.json",
      await this.#document(join(folder, "index.json"), "index.json"),
      IndexSchema,
    );
    const images = index.manifests.filter(({ mediaType }) => ["manifest", "index"].includes(mediaKind(mediaType)));
    const found = tag === undefined ? images : images.filter((entry) => entry.annotations?.[REF_NAME] === tag);
    const [only, ...others] = found;
    if (only !== undefined && others.every(({ digest }) => digest === only.digest)) return only;
    if (only !== undefined) throw new ImageError(this.#image, `it has ${found.length} images: name one by its tag`);
    const tags = images.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
    throw new NotFoundError("image", this.#image, {
      hint:
        tags.length === 0
          ? "the layout has no image"
          : `the layout has ${tags
              .slice(0, 20)
              .map((tag) => printable(tag, 200))
              .join(", ")}`,
    });
  }

  /** A whole small blob, verified. @throws {ImageError} */
  async read(descriptor: Descriptor, what: string): Promise<Buffer> {
    const bytes = await this.#document(this.#path(descriptor), what);
    assertDigest(this.#image, what, bytes, descriptor.digest);
    return bytes;
  }

  /**
   * A blob as a stream, with the size of its descriptor. The reader must check its digest. @throws {ImageError} when it
   * is missing
   */
  async stream(descriptor: Descriptor): Promise<Readable> {
    const what = `blob ${descriptor.digest}`;
    const elsewhere = descriptor.urls?.length ? ": it has urls, so its content may lie outside of the layout" : "";
    const file = await this.#open(this.#path(descriptor), what, elsewhere);
    try {
      assertSize(this.#image, what, (await file.stat()).size, descriptor.size);
    } catch (error) {
      await file.close();
      throw error;
    }
    // The stream closes the handle.
    return file.createReadStream({ highWaterMark: 1 << 20 });
  }

  #path({ digest }: Descriptor): string {
    return join(this.#folder, "blobs", "sha256", digest.slice("sha256:".length));
  }

  async #document(path: string, what: string): Promise<Buffer> {
    await using file = await this.#open(path, what);
    const { size } = await file.stat();
    if (size > MAX_DOCUMENT)
      throw new ImageError(this.#image, `its ${what} is ${size} bytes long, more than ${MAX_DOCUMENT}`);
    return await file.readFile();
  }

  async #open(path: string, what: string, hint = "") {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags).catch((cause: unknown) => {
      const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : "cannot be read";
      throw new ImageError(this.#image, `its ${what} ${why}${hint}`, { cause });
    });
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new ImageError(this.#image, `its ${what} is not a regular file`);
  }
}
