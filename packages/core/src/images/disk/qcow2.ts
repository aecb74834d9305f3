import { ImageError } from "../../errors/all.ts";

/**
 * Bytes of a qcow2 that {@link assertSelfContained} checks: the header is in the first cluster, of 64 KiB by default.
 */
export const QCOW2_HEADER = 65536;

// qemu, docs/interop/qcow2.txt, "Header" and "Header extensions".
const MAGIC = 0x514649fb;
const INCOMPATIBLE = { corrupt: 1n << 1n, externalData: 1n << 2n };
/** Dirty, compression type, extended L2. */
const HARMLESS = (1n << 0n) | (1n << 3n) | (1n << 4n);
const EXTENSION = { end: 0, backingFormat: 0xe2792aca, externalDataName: 0x44415441 };

/**
 * Refuses a qcow2 that would make its reader open another file of the host, or that its own header calls corrupt. It
 * only reads bytes: qemu-img(1) itself follows such names (CVE-2024-4467), so it must not see the file before this
 * check.
 *
 * @throws {ImageError}
 */
export function assertSelfContained(image: string, head: Buffer): void {
  const refuse = (why: string): never => {
    throw new ImageError(image, why);
  };
  if (head.length < 72 || head.readUInt32BE(0) !== MAGIC) refuse("it is not a qcow2");
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) refuse(`it is a qcow2 of version ${version}, which is unknown`);
  if (head.readBigUInt64BE(8) !== 0n || head.readUInt32BE(16) !== 0)
    refuse("it has a backing file, so it is only part of a disk");
  if (head.readUInt32BE(32) !== 0) refuse("it is encrypted");
  assertExtensions(head, version === 2 ? 72 : headerLength(head, refuse), refuse);
}

/** Checks the fields that only version 3 has. */
function headerLength(head: Buffer, refuse: (why: string) => never): number {
  if (head.length < 104) refuse("its header is cut off");
  const features = head.readBigUInt64BE(72);
  if ((features & INCOMPATIBLE.externalData) !== 0n) refuse("it keeps its data in another file");
  if ((features & INCOMPATIBLE.corrupt) !== 0n) refuse("it is marked as corrupt");
  if ((features & ~HARMLESS) !== 0n) refuse("it needs features that are unknown");
  const length = head.readUInt32BE(100);
  if (length < 104 || length > head.length || length % 8 !== 0) refuse("its header has an impossible length");
  return length;
}

function assertExtensions(head: Buffer, start: number, refuse: (why: string) => never): void {
  let at = start;
  while (at + 8 <= head.length) {
    const type = head.readUInt32BE(at);
    const length = head.readUInt32BE(at + 4);
    if (type === EXTENSION.end) return;
    if (type === EXTENSION.externalDataName) refuse("it names another file for its data");
    if (type === EXTENSION.backingFormat) refuse("it names the format of a backing file");
    if (length > head.length) refuse("its header extensions are malformed");
    at += 8 + Math.ceil(length / 8) * 8;
  }
  refuse("its header extensions do not end");
}
