/** The beginning of a bzImage: Linux, Documentation/arch/x86/boot.rst. */
export function bzImage(release: string, { wide = true } = {}): Buffer {
  const head = Buffer.alloc(4096);
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt16LE(0x20f, 0x206);
  head.writeUInt16LE(wide ? 1 : 0, 0x236);
  head.writeUInt16LE(0x400, 0x20e);
  head.write(`${release} (builder@host) #1 SMP`, 0x600, "latin1");
  return head;
}
