import { join } from "node:path";

/** The paths of an image store. Only this file knows the names. */
export class ImageFolders {
  readonly root: string;
  constructor(root: string) {
    this.root = root;
  }
  /** Image records, by fingerprint. */
  get records(): string {
    return join(this.root, "records");
  }
  get aliases(): string {
    return join(this.root, "aliases.json");
  }
  /** The image that each source gave, by the hash of the source's identity. */
  get sources(): string {
    return join(this.root, "sources");
  }
  /** Unpacked layers, by chain ID. */
  get layers(): string {
    return join(this.root, "layers", "sha256");
  }
  /** Merged trees, by the chain ID of the top layer. */
  get merged(): string {
    return join(this.root, "merged", "sha256");
  }
  /** Disks, by digest. */
  get blobs(): string {
    return join(this.root, "blobs", "sha256");
  }
  /** Imports under way: a folder and a lock for each. */
  get drafts(): string {
    return join(this.root, "drafts");
  }
  /** Content that is being removed. */
  get trash(): string {
    return join(this.root, "trash");
  }
  get locks(): string {
    return join(this.root, "locks");
  }
  /** Held exclusively to add or remove images, shared to rely on them. Never held for long. */
  get storeLock(): string {
    return join(this.locks, "store");
  }
}
