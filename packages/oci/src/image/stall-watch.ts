import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConnectionError } from "@pileus/core";
import { linkSignals } from "@pileus/core/driver";

/** Milliseconds in which something must arrive from a registry. */
export const STALL_TIMEOUT = 60_000;

/** How often in that time the folders are looked at. */
const LOOKS = 6;

/**
 * Aborts {@link signal} when for `timeout` milliseconds nothing more has arrived in the folders, or with the caller's
 * own reason before. Skopeo itself waits for ever for a registry that takes the connection and then says nothing.
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
        linked.abort(new ConnectionError(peer, `nothing has come from it for ${timeout} ms: see whether it is well`));
    };
    const timer = setInterval(() => void look(), timeout / LOOKS);
    this.#dispose = () => {
      clearInterval(timer);
      linked[Symbol.dispose]();
    };
  }

  [Symbol.dispose](): void {
    this.#dispose();
  }
}

/** Bytes of all files right in the folders: of those that are there. */
async function bytesIn(folders: readonly string[]): Promise<number> {
  let sum = 0;
  for (const folder of folders)
    for (const name of await readdir(folder).catch(() => []))
      sum += await stat(join(folder, name)).then(
        (stats) => (stats.isFile() ? stats.size : 0),
        // Renamed since: counted in its new place at the next look.
        () => 0,
      );
  return sum;
}
