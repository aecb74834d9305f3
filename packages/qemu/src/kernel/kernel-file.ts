/** What the beginning of a kernel's file says about it. */
export interface KernelFile {
  /** As `process.arch` has it. */
  readonly architecture: string;
  /** Absent where the file does not say: the name of the file has it then. */
  readonly release?: string | undefined;
}

/** How much of the beginning of a file {@link parseKernelFile} needs. */
export const KERNEL_HEAD = 2 ** 16;

/** Archives and wrappers that a kernel's file can be, and that no machine starts. */
const PACKINGS: readonly { readonly magic: Buffer; readonly name: string }[] = [
  { magic: Buffer.from([0x1f, 0x8b]), name: "packed by gzip" },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), name: "packed by xz" },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), name: "packed by zstd" },
  { magic: Buffer.from([0x02, 0x21, 0x4c, 0x18]), name: "packed by lz4" },
  { magic: Buffer.from([0x04, 0x22, 0x4d, 0x18]), name: "packed by lz4" },
];

/** Reads the beginning of a kernel's file. A string says why it is none that a machine starts. */
export function parseKernelFile(head: Buffer): KernelFile | string {
  if (head.length >= 0x260 && head.toString("latin1", 0x202, 0x206) === "HdrS") return parseBzImage(head);
  if (head.length >= 64 && head.toString("latin1", 0, 4) === "\x7fELF") {
    const machine = head.readUInt16LE(18);
    // elf(5), e_machine.
    return { architecture: machine === 62 ? "x64" : machine === 183 ? "arm64" : `ELF machine ${machine}` };
  }
  // Linux, Documentation/arch/arm64/booting.rst: the header of an Image.
  if (head.length >= 64 && head.toString("latin1", 56, 60) === "ARM\x64") return { architecture: "arm64" };
  // Linux, drivers/firmware/efi/libstub/zboot-header.S: the image of another architecture, packed into an EFI program.
  if (head.length >= 64 && head.toString("latin1", 4, 8) === "zimg") return "it is packed into an EFI program";
  const packing = PACKINGS.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
  if (packing !== undefined) return `it is ${packing.name}`;
  return head.length === 0 ? "it is empty" : "it is no kernel";
}

/** Linux, Documentation/arch/x86/boot.rst: `xloadflags` tells a 64-bit kernel, `kernel_version` leads to its release. */
function parseBzImage(head: Buffer): KernelFile {
  const wide = head.readUInt16LE(0x206) >= 0x20c && (head.readUInt16LE(0x236) & 1) !== 0;
  const at = head.readUInt16LE(0x20e);
  const version = at === 0 ? "" : head.toString("latin1", at + 0x200, at + 0x200 + 128);
  return { architecture: wide ? "x64" : "ia32", release: /^[A-Za-z0-9][\w.+~-]*/.exec(version)?.[0] };
}
