/**
 * What one entry of a tar says, after its extensions (pax, GNU) are applied.
 *
 * Names are byte strings: each character is one byte (latin1), because a file name on Linux is bytes and must come
 * out as it went in. {@link shown} makes one readable.
 */
export interface TarEntry {
  readonly type: TarEntryType;
  /** As written: not yet judged. */
  readonly name: string;
  /** Of links; as written. */
  readonly target: string;
  /** Permission bits and setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, a decimal with any number of places. */
  readonly mtime: string;
  /** Bytes of the file; 0 for everything but files. They follow as data, unless `sparse` is there. */
  readonly size: number;
  /** The parts of a file with holes that follow as data, one after the other; ascending, none within another. */
  readonly sparse?: readonly Extent[] | undefined;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** A part of a file, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Bytes of data that follow an entry. */
export function storedSize({ size, sparse }: TarEntry): number {
  return sparse === undefined ? size : sparse.reduce((total, { length }) => total + length, 0);
}

export type TarEntryType = "file" | "link" | "symlink" | "character" | "block" | "directory" | "fifo";

/** Text as the byte string of its UTF-8. */
export function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A byte string as the text that it is in UTF-8; what is none becomes U+FFFD. */
export function textOf(name: string): string {
  return Buffer.from(name, "latin1").toString("utf8");
}

/** A byte string as text for a message. */
export function shown(name: string): string {
  const text = textOf(name);
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
