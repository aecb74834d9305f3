/** One entry of a cpio archive. Owner is root. */
export interface CpioEntry {
  /** Relative, without a leading slash. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "character-device";
  /** Permission bits. */
  readonly mode: number;
  /** The content of a file, or where a symlink points. */
  readonly data?: Uint8Array | string | undefined;
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
}

// stat(2), st_mode.
const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, "character-device": 0o020000 } as const;

/**
 * Writes a `newc` cpio archive, as the kernel unpacks it into its initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). The same entries give the same bytes.
 */
export function renderCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const append = (entry: CpioEntry, inode: number, typeBits: number) => {
    const name = Buffer.from(`${entry.name}\0`);
    const data = Buffer.from(entry.data ?? "");
    const { major, minor } = entry.device ?? { major: 0, minor: 0 };
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [inode, typeBits | entry.mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
    parts.push(Buffer.from(header), name, padding(header.length + name.length), data, padding(data.length));
  };
  entries.forEach((entry, index) => {
    append(entry, index + 1, TYPE_BITS[entry.type]);
  });
  append({ name: "TRAILER!!!", type: "file", mode: 0 }, 0, 0);
  return Buffer.concat(parts);
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
