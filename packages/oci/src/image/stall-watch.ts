import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConnectionError } from "@pileus/core";
import { linkSignals } from "@pileus/core/driver";

/** The longest time without data from a registry, in milliseconds. */
export const STALL_TIMEOUT = 60_000;

/** How often the folders are checked in that time, or in {@link STALL_TIMEOUT} if that is less. */
const LOOKS = 6;

/**
 * Aborts {@link signal} when nothing has arrived in the folders for `timeout` milliseconds, or earlier with the
 * caller's own reason. Skopeo itself waits forever for a registry that accepts the connection and then sends nothing.
 */
export class StallWatch implements Disposable {
  readonly signal: AbortSignal;
  readonly #dispose: () => void;
  #bytes = 0;
  #since = performance.now();
  #looking = false;

  constructor(options: {
    readonly folders: readonly string[];
    readonly timeout: number;
    /** For the message. */
    readonly peer: string;
    readonly signal?: AbortSignal | undefined;
  }) {
    const { folders, timeout, peer } = options;
    const linked = linkSignals(options.signal);
    this.signal = linked.signal;
    const look = async () => {
      if (this.#looking) return;
      this.#looking = true;
      const bytes = await bytesIn(folders).finally(() => {
        this.#looking = false;
      });
      const now = performance.now();
      if (bytes !== this.#bytes) [this.#bytes, this.#since] = [bytes, now];
      else if (now - this.#since >= timeout)
        linked.abort(new ConnectionError(peer, `it has sent nothing for ${timeout} ms: check whether it works`));
    };
    const timer = setInterval(() => void look(), Math.min(timeout, STALL_TIMEOUT) / LOOKS);
    this.#dispose = () => {
      clearInterval(timer);
      linked[Symbol.dispose]();
    };
  }

  [Symbol.dispose](): void {
    this.#dispose();
  }
}

/** The total size of the files directly in the folders. Missing folders count as empty. */
async function bytesIn(folders: readonly string[]): Promise<number> {
  let sum = 0;
  for (const folder of folders)
    for (const name of await readdir(folder).catch(() => []))
      sum += await stat(join(folder, name)).then(
        (stats) => (stats.isFile() ? stats.size : 0),
        // The file was renamed: the next look counts it in its new place.
        () => 0,
      );
  return sum;
}
