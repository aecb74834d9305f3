/** A system call as a filter sees it. */
export interface Call {
  /** linux/audit.h, AUDIT_ARCH_*. */
  readonly architecture: number;
  readonly number: number;
  readonly args?: readonly bigint[];
}

/** What a filter answers, by the rules of linux/filter.h. Throws for a program that the kernel would refuse. */
export function runFilter(filter: Buffer, { architecture, number, args = [] }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(architecture >>> 0, 4);
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(value, 16 + 8 * index);
  let a = 0;
  for (let at = 0; at < filter.length / 8; ) {
    const code = filter.readUInt16LE(at * 8);
    const [yes, no, k] = [filter.readUInt8(at * 8 + 2), filter.readUInt8(at * 8 + 3), filter.readUInt32LE(at * 8 + 4)];
    at += 1;
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += a === k ? yes : no;
    else if (code === 0x25) at += a > k ? yes : no;
    else if (code === 0x35) at += a >= k ? yes : no;
    else if (code === 0x06) return k;
    else throw new Error(`no such instruction: 0x${code.toString(16)}`);
  }
  throw new Error("the program runs beyond its end");
}
