/**
 * One entry of a tar, after its extensions (pax, GNU) are applied.
 *
 * Names are byte strings: each character is one byte (latin1), because a file name on Linux is bytes and must come
 * out as it went in. {@link shown} makes one readable.
 */
export interface TarEntry {
  readonly type: TarEntryType;
  /** The name as written, not checked yet. */
  readonly name: string;
  /** The target of a link, as written. */
  readonly target: string;
  /** Permission bits and setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, a decimal with any number of places. */
  readonly mtime: string;
  /** Bytes of the file; 0 for everything else. They follow as data, unless `sparse` is set. */
  readonly size: number;
  /** For a file with holes, the parts that follow as data, one after the other: ascending, without overlap. */
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

/** The byte string of a text in UTF-8. */
export function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The text of a byte string in UTF-8; bytes that are not UTF-8 become U+FFFD. */
export function textOf(name: string): string {
  return Buffer.from(name, "latin1").toString("utf8");
}

/** A byte string as text for a message. */
export function shown(name: string): string {
  const text = textOf(name);
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
