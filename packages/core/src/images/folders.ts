import { join } from "node:path";

/** Where things are in an image store. The one place that knows the names. */
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
  /** Which image a source gave, by the hash of what identifies the source. */
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
  /** What is under way: a folder and a lock each. */
  get drafts(): string {
    return join(this.root, "drafts");
  }
  /** What is being removed. */
  get trash(): string {
    return join(this.root, "trash");
  }
  get locks(): string {
    return join(this.root, "locks");
  }
  /** Held exclusively to change what images there are, shared to rely on it. Never for long. */
  get storeLock(): string {
    return join(this.locks, "store");
  }
}
