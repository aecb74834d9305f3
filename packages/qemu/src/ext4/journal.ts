import { ImageError } from "@pileus/core";

/** The journal of a file system: blocks by their numbers in it. */
export interface Journal {
  readonly length: number;
  readonly read: (block: number) => Promise<Buffer>;
  /** For errors. */
  readonly path: string;
}

// Linux, Documentation/filesystems/ext4, "Journal (jbd2)". All numbers are big-endian.
const MAGIC = 0xc03b3998;
const [DESCRIPTOR, COMMIT, REVOKE] = [1, 2, 5];
const HEADER = 12;
const FLAG = { escaped: 1, sameUuid: 2, last: 8 };
const FEATURE = { revoke: 1, wide: 2, async: 4, sums2: 8, sums3: 16 };
const KNOWN = FEATURE.revoke | FEATURE.wide | FEATURE.async | FEATURE.sums2 | FEATURE.sums3;

/** More would take more memory than a journal of 1 GiB is worth. */
const MAX_REVOKED = 2 ** 20;

interface Write {
  readonly target: number;
  readonly source: number;
  readonly escaped: boolean;
  readonly sequence: number;
}

/**
 * The blocks that a mount would write to their places first, because the file system was not unmounted: of each, its
 * content by its number. Only complete transactions count. Nothing is written.
 */
export async function readJournal({
  length,
  read,
  path,
}: Journal): Promise<ReadonlyMap<number, () => Promise<Buffer>>> {
  const damaged = () => new ImageError(path, "the journal of its root file system is damaged");
  const top = await read(0);
  if (top.readUInt32BE(0) !== MAGIC) throw damaged();
  const end = Math.min(top.readUInt32BE(16), length);
  const [first, start] = [top.readUInt32BE(20), top.readUInt32BE(28)];
  const features = top.readUInt32BE(40);
  if ((features & ~KNOWN) !== 0) throw new ImageError(path, "its root file system has a journal that is not read here");
  const next = (block: number) => (block + 1 >= end ? first : block + 1);

  const writes: Write[] = [];
  const revoked = new Map<number, number>();
  let [open, opened]: [Write[], number[]] = [[], []];
  let sequence = top.readUInt32BE(24);
  // A journal that was unmounted starts nowhere. Each block is visited at most once.
  for (let at = start, left = start === 0 ? 0 : end; left > 0; left--, at = next(at)) {
    const block = await read(at);
    if (block.readUInt32BE(0) !== MAGIC || block.readUInt32BE(8) !== sequence) break;
    const type = block.readUInt32BE(4);
    if (type === DESCRIPTOR) {
      for (const tag of parseTags(block, features)) {
        at = next(at);
        left--;
        open.push({ ...tag, source: at, sequence });
      }
    } else if (type === REVOKE) {
      opened.push(...parseRevoked(block, features));
      if (opened.length + revoked.size > MAX_REVOKED) throw damaged();
    } else if (type === COMMIT) {
      writes.push(...open);
      for (const target of opened) revoked.set(target, sequence);
      [open, opened] = [[], []];
      sequence = (sequence + 1) >>> 0;
    } else break;
  }
  const valid = writes.filter((write) => write.sequence > (revoked.get(write.target) ?? -1));
  return new Map(valid.map(({ target, source, escaped }) => [target, () => readCopy(read, source, escaped)]));
}

/** A block that begins with the journal's own magic is stored without it. */
async function readCopy(read: Journal["read"], source: number, escaped: boolean): Promise<Buffer> {
  const block = await read(source);
  if (escaped) block.writeUInt32BE(MAGIC, 0);
  return block;
}

function parseTags(block: Buffer, features: number): readonly { readonly target: number; readonly escaped: boolean }[] {
  const tags: { target: number; escaped: boolean }[] = [];
  const wide = (features & FEATURE.wide) !== 0;
  const v3 = (features & FEATURE.sums3) !== 0;
  const size = v3 ? 16 : 8 + (wide ? 4 : 0) + ((features & FEATURE.sums2) === 0 ? 0 : 2);
  for (let at = HEADER; at + size <= block.length; ) {
    const flags = v3 ? block.readUInt32BE(at + 4) : block.readUInt16BE(at + 6);
    const high = wide ? block.readUInt32BE(at + 8) : 0;
    tags.push({ target: high * 2 ** 32 + block.readUInt32BE(at), escaped: (flags & FLAG.escaped) !== 0 });
    if ((flags & FLAG.last) !== 0) break;
    at += size + ((flags & FLAG.sameUuid) === 0 ? 16 : 0);
  }
  return tags;
}

function parseRevoked(block: Buffer, features: number): number[] {
  const wide = (features & FEATURE.wide) !== 0;
  const end = Math.min(block.readUInt32BE(HEADER), block.length);
  const targets: number[] = [];
  for (let at = HEADER + 4; at + (wide ? 8 : 4) <= end; at += wide ? 8 : 4) {
    targets.push(wide ? Number(block.readBigUInt64BE(at)) : block.readUInt32BE(at));
  }
  return targets;
}
