import { type FSWatcher, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "@pileus/core";

/** The shortest time between two looks at the folder, in milliseconds: the kernel reports every single write. */
const PACE = 100;

/**
 * Reports how many bytes skopeo has written to a layout. Skopeo has no machine-readable progress, so this watches its
 * files: each blob grows as a temporary file in the layout's folder and is then renamed into `blobs/sha256`
 * (containers/image, oci_dest.go).
 */
export class FetchProgress implements Disposable {
  readonly #folder: string;
  readonly #total: number;
  readonly #report: (progress: Progress) => void;
  readonly #ignored: ReadonlySet<string>;
  readonly #watchers: readonly FSWatcher[];
  #last = 0;
  #done = 0;
  #looking = false;
  #failure: { readonly error: unknown } | undefined;

  /** `folder/blobs/sha256` must exist. `ignored` blobs (by hexadecimal digest) were there before. */
  constructor(
    folder: string,
    options: {
      readonly total: number;
      readonly ignored: ReadonlySet<string>;
      readonly onProgress: (progress: Progress) => void;
    },
  ) {
    this.#folder = folder;
    this.#total = options.total;
    this.#report = options.onProgress;
    this.#ignored = options.ignored;
    this.#watchers = [folder, join(folder, "blobs", "sha256")].flatMap((path) => this.#watch(path));
    this.#tell(0);
  }

  #watch(path: string): FSWatcher[] {
    try {
      // An error ends the watch. Then only the figures between the first and the last are missing.
      return [watch(path, () => this.#changed()).on("error", () => {})];
    } catch {
      // inotify(7): the user's watches are used up. Then, too, only the figures in between are missing.
      return [];
    }
  }

  /** Reports that everything is there. @throws the error that the listener threw at any time before */
  finish(): void {
    this[Symbol.dispose]();
    this.#tell(this.#total);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#last = Number.POSITIVE_INFINITY;
  }

  #changed(): void {
    const now = performance.now();
    if (this.#looking || now - this.#last < PACE) return;
    this.#last = now;
    this.#looking = true;
    this.#written().then(
      (bytes) => {
        this.#looking = false;
        // A blob that was renamed between the two listings is in neither: the figure never goes down.
        this.#done = Math.max(this.#done, Math.min(bytes, this.#total));
        if (this.#last !== Number.POSITIVE_INFINITY) this.#tell(this.#done);
      },
      () => {
        // A file was renamed between the listing and the look: the next change counts it.
        this.#looking = false;
      },
    );
  }

  async #written(): Promise<number> {
    const blobs = join(this.#folder, "blobs", "sha256");
    const done = (await readdir(blobs)).filter((name) => !this.#ignored.has(name)).map((name) => join(blobs, name));
    const growing = (await readdir(this.#folder))
      .filter((name) => name.startsWith("oci-put-blob"))
      .map((name) => join(this.#folder, name));
    const sizes = await Promise.all([...done, ...growing].map(async (path) => (await stat(path)).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  #tell(done: number): void {
    try {
      this.#report({ phase: "fetch", done, total: this.#total });
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}
