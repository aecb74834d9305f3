import type { Abortable } from "../flow/abortable.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { TarFault } from "../tar/header.ts";

/** The rules of an unpacking, which differ between its users. */
export interface UnpackRules extends Abortable {
  /** Whether to enter an existing symlink in a folder's place: /lib of most distributions. */
  readonly followLinks: boolean;
  /**
   * Whether every file appears as a whole. Otherwise only files that replace another do: writing a new file in place
   * costs less.
   */
  readonly atomic: boolean;
  /** Changes an entry before it is made; `undefined` leaves it out. */
  admit(entry: TarEntry): TarEntry | undefined;
  /** Makes the error for an archive that is not a valid tree. */
  refusal(fault: TarFault): Error;
  /** Makes the error for a failure at a path of the access. */
  failure(path: string, error: unknown): unknown;
  /** Called with the number of bytes of content that are in place. */
  onContent?(bytes: number): void;
}
