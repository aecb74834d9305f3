import { type FSWatcher, watch } from "node:fs";
import { HostError } from "../../errors/all.ts";
import { onAbort } from "../../flow/deadline.ts";

/** Notices each change in a folder, also one between two waits. inotify(7), by `fs.watch()` of Node. */
export class FolderChanges implements Disposable {
  readonly #watcher: FSWatcher;
  #changed = false;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  /** @throws {HostError} when the host has no watch left */
  constructor(folder: string) {
    const notice = () => {
      this.#changed = true;
      this.#wake();
    };
    try {
      this.#watcher = watch(folder, notice);
    } catch (error) {
      throw watchFailure(folder, error);
    }
    this.#watcher.on("error", (error) => {
      this.#failure = watchFailure(folder, error);
      notice();
    });
  }

  /** Resolves when something has changed since the last call resolved, or when one of the signals aborts. */
  async next(...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    const given = signals.filter((signal) => signal !== undefined);
    let leave: readonly (() => void)[] = [];
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      leave = given.map((signal) => onAbort(signal, resolve));
      if (this.#changed || given.some(({ aborted }) => aborted)) resolve();
    });
    for (const stop of leave) stop();
    this.#wake = () => undefined;
    this.#changed = false;
    if (this.#failure !== undefined) throw this.#failure;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}

// inotify_add_watch(2): ENOSPC; inotify_init1(2): EMFILE.
function watchFailure(folder: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EMFILE") return error as Error;
  const need = code === "ENOSPC" ? "fs.inotify.max_user_watches" : "fs.inotify.max_user_instances";
  const missing = { need: `sysctl:${need}`, reason: `all are in use: ${message}`, fix: `sysctl -w ${need}=65536` };
  return new HostError(`follow what changes in ${folder}`, [missing], { cause: error });
}
