import { closeSync } from "node:fs";
import { type FileOperations, fileStamp, findUser } from "@pileus/core/driver";
import type { Account } from "@pileus/core/files";
import { readAccounts } from "./user.ts";

/** How old the last change of a file must be for its text to be kept, in nanoseconds: times of files have jiffies. */
const SETTLED = 1_000_000_000n;

interface KnownText {
  /** What the file was when it was read: device, number, size and times. */
  readonly stamp: string;
  readonly text: string;
}

/**
 * The users of a running container, from its own passwd(5) and group(5). A file that has not changed is not read again:
 * two reads by worker threads would take longer than the rest of an exec.
 */
export class ContainerAccounts {
  readonly #openRoot: () => number;
  readonly #files: FileOperations;
  readonly #known = new Map<string, KnownText>();

  /** `openRoot` opens the root folder of the container that runs now. */
  constructor(openRoot: () => number, files: FileOperations) {
    this.#openRoot = openRoot;
    this.#files = files;
  }

  /** As `resolveUser()`. @throws {NotFoundError} when a name is unknown. */
  async find(user?: string): Promise<Account> {
    const root = this.#openRoot();
    try {
      // Both begin at once, and look at their files before anything else.
      return await findUser((path) => this.#text(path, root), user);
    } finally {
      closeSync(root);
    }
  }

  async #text(path: string, root: number): Promise<string> {
    const found = stampIfThere(root, path);
    const known = this.#known.get(path);
    if (found !== undefined && known?.stamp === found.stamp) return known.text;
    const text = await readAccounts(this.#files, path);
    // A later change in the same jiffy would leave the stamp as it is.
    const isSettled = found !== undefined && BigInt(Date.now()) * 1_000_000n - found.changed > SETTLED;
    if (isSettled) this.#known.set(path, { stamp: found.stamp, text });
    else this.#known.delete(path);
    return text;
  }
}

/** `undefined` if there is no such file, or it cannot be found: reading it says why. */
function stampIfThere(root: number, path: string): ReturnType<typeof fileStamp> | undefined {
  try {
    return fileStamp(root, path);
  } catch {
    return undefined;
  }
}
