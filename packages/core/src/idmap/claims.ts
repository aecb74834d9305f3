import { readdirSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { HostError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { acquireLockWithin, type Lock } from "../system/lock.ts";
import { makeFolders } from "../system/make-folders.ts";
import { readSmallFile, UnreadableFileError } from "../system/small-file.ts";
import type { IdRange } from "../terms/id-range.ts";

/** The range of an instance, or the one that instances share. */
export interface Claim extends IdRange {
  /** The uuid of the instance, or {@link SHARED}. */
  readonly key: string;
  /**
   * Not its range, but ids of accounts of the host that it has beside it. Other instances may have these, too, but no
   * range may contain them.
   */
  readonly extra?: true | undefined;
}

/** How long a call waits for others that choose a range, in milliseconds. They take a few. */
const LOCK_TIMEOUT = 120_000;

/** The key of the one range that instances share if they ask for a shared one. */
export const SHARED = "shared";

/**
 * The ranges that are in use on this machine, for all root folders together. Each is one symlink, whose name is the
 * claim and whose target is the record of the instance. So one system call makes or drops a claim, and one listing
 * reads all claims.
 */
export class Claims {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Hold this lock from the listing to the claim when you choose a range. */
  async lock(options: Abortable): Promise<Lock> {
    try {
      makeFolders(this.#folder, 0o700);
      return await acquireLockWithin(join(this.#folder, "lock"), LOCK_TIMEOUT, { what: "ids of the host", ...options });
    } catch (error) {
      throw claimFailure(this.#folder, error);
    }
  }

  list(): readonly Claim[] {
    return this.#names().flatMap((name) => {
      const [, base, count, extra, key] = /^(\d+)-(\d+)-(extra-)?(.+)$/.exec(name) ?? [];
      const range = { base: Number(base), count: Number(count) };
      return key === undefined ? [] : [{ ...range, key, ...(extra === undefined ? {} : { extra: true }) }];
    });
  }

  /** The record of the claim's instance; `undefined` when there is no such claim, or something else has its name. */
  recordOf(claim: Claim): string | undefined {
    try {
      return readlinkSync(this.#path(claim));
    } catch (error) {
      if (["ENOENT", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    }
  }

  /**
   * Whether the claim's instance is gone, because its root folder was removed by other means than `delete()`. Another
   * user may have put anything in that place: what cannot be read keeps the claim.
   */
  isAbandoned(claim: Claim): boolean {
    const record = claim.key === SHARED ? undefined : this.recordOf(claim);
    if (record === undefined) return false;
    try {
      return !(readSmallFile(record) ?? "").includes(claim.key);
    } catch (error) {
      return error instanceof UnreadableFileError && error.code === "ENOTDIR";
    }
  }

  add(claim: Claim, record: string): void {
    symlinkSync(record, this.#path(claim));
  }

  /** Idempotent. */
  drop(claim: Claim): void {
    try {
      unlinkSync(this.#path(claim));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  #path({ base, count, key, extra }: Claim): string {
    return join(this.#folder, `${base}-${count}-${extra ? "extra-" : ""}${key}`);
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      // A process that may not enter the folder has no claims there: making one begins with its lock.
      if (["ENOENT", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
      throw error;
    }
  }
}

function claimFailure(folder: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const failure = (need: string, reason: string, fix: string) =>
    new HostError("give an instance ids of its own", [{ need, reason, fix }], { cause: error });
  if (code === "EACCES" || code === "EPERM")
    return failure("root", `uid ${process.geteuid?.()} may not write to ${folder}`, "run as root");
  if (code === "EROFS")
    return failure(`folder:${folder}`, "it is on a read-only file system", "mount a writable file system there");
  return error;
}
