/** What one entry of a hand-made archive says. Nothing is checked: that is the point. */
export interface RawEntry {
  readonly name: string;
  /** One character; default `"0"`. */
  readonly flag?: string;
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly body?: string | Buffer;
  /** What the header says, if not the body's length. */
  readonly size?: number;
  /** Fields written as they are, by offset, before the checksum. */
  readonly raw?: readonly (readonly [offset: number, bytes: Buffer])[];
  /** Default `"ustar\0" + "00"`. */
  readonly magic?: string;
}

/** An entry's header, body and padding. Written from the format's description, not with the code under test. */
export function entryBytes(entry: RawEntry): Buffer {
  const body = Buffer.from(entry.body ?? "");
  const header = Buffer.alloc(512);
  header.write(entry.name, 0, 100, "latin1");
  header.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, "0")}\0`, 100);
  header.write(`${(entry.uid ?? 0).toString(8).padStart(7, "0")}\0`, 108);
  header.write(`${(entry.gid ?? 0).toString(8).padStart(7, "0")}\0`, 116);
  header.write(`${(entry.size ?? body.length).toString(8).padStart(11, "0")}\0`, 124);
  header.write(`${(entry.mtime ?? 1_600_000_000).toString(8).padStart(11, "0")}\0`, 136);
  header.write(entry.flag ?? "0", 156, "latin1");
  header.write(entry.target ?? "", 157, 100, "latin1");
  header.write(entry.magic ?? "ustar\x0000", 257, "latin1");
  for (const [offset, bytes] of entry.raw ?? []) bytes.copy(header, offset);
  return Buffer.concat([sealed(header), body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** A header with its checksum made right. */
export function sealed(header: Buffer): Buffer {
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** A pax header for the entry that follows. */
export function paxBytes(records: Readonly<Record<string, string>>, flag = "x"): Buffer {
  const body = Object.entries(records)
    .map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`, "latin1");
      let length = rest + 1;
      while (String(length).length + rest !== length) length = String(length).length + rest;
      return `${length} ${key}=${value}\n`;
    })
    .join("");
  return entryBytes({ name: "pax", flag, body: Buffer.from(body, "latin1") });
}

export const END = Buffer.alloc(1024);

/** A whole archive. */
export function tarBytes(...entries: (RawEntry | Buffer)[]): Buffer {
  return Buffer.concat([...entries.map((entry) => (Buffer.isBuffer(entry) ? entry : entryBytes(entry))), END]);
}

export const folder = (name: string, more: Partial<RawEntry> = {}): RawEntry => ({
  name,
  flag: "5",
  mode: 0o755,
  ...more,
});
export const file = (name: string, body = "x", more: Partial<RawEntry> = {}): RawEntry => ({ name, body, ...more });
export const symlink = (name: string, target: string): RawEntry => ({ name, flag: "2", target, mode: 0o777 });
export const hardLink = (name: string, target: string): RawEntry => ({ name, flag: "1", target });
