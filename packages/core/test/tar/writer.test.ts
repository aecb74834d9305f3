import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { describe, expect, it } from "vitest";
import { storedSize, type TarEntry } from "../../src/tar/entry.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { TarWriter } from "../../src/tar/writer.ts";

const plain: TarEntry = {
  type: "file",
  name: "f",
  target: "",
  mode: 0o4755,
  uid: 7,
  gid: 8,
  mtime: "1600000000",
  size: 3,
  xattrs: new Map(),
};

const CASES: readonly (readonly [what: string, entry: TarEntry])[] = [
  ["a plain file", plain],
  ["a long name of bytes that are no UTF-8", { ...plain, name: `\xff\xfe${"n".repeat(200)}` }],
  ["a long target", { ...plain, type: "symlink", size: 0, target: "t".repeat(101) }],
  ["great owners", { ...plain, uid: 0o7777777 + 1, gid: 4_000_000_000 }],
  ["a time with places", { ...plain, mtime: "1600000000.123456789" }],
  ["a time before the epoch", { ...plain, mtime: "-1" }],
  ["attributes with any bytes", { ...plain, xattrs: new Map([["security.capability", "\x00\xff=\n"]]) }],
  [
    "a file with holes",
    {
      ...plain,
      size: 1e12,
      sparse: [
        { offset: 7, length: 1024 },
        { offset: 1e11, length: 2 },
      ],
    },
  ],
  ["a file that is one hole", { ...plain, size: 1e12, sparse: [] }],
  ["a pax record whose length gains a digit", { ...plain, name: "n".repeat(100 - " path=\n".length - 2 + 100) }],
];

function written(entry: TarEntry): Buffer {
  const writer = new TarWriter();
  writer.entry(entry);
  if (storedSize(entry) > 0) writer.data(Buffer.alloc(storedSize(entry), "abc"));
  writer.end();
  return writer.take();
}

describe("TarWriter", () => {
  it.each(CASES)("writes %s so that the reader gives it back", (_what, entry) => {
    const found: TarEntry[] = [];
    const reader = new TarReader((fault) => fault, { entry: (one) => found.push(one), data: () => undefined });
    reader.push(written(entry));
    reader.end();
    expect(found).toEqual([entry]);
  });

  it("gives the same bytes however often take() is called", () => {
    const archive = (isDue: (length: number) => boolean): Buffer => {
      const writer = new TarWriter();
      const taken: Buffer[] = [];
      const take = () => {
        if (isDue(writer.length)) taken.push(writer.take());
      };
      for (let round = 0; round < 4; round += 1) {
        for (const size of [0, 1, 511, 512, 513, 65_536, 65_537, 300_000, 393_216, 1_000_000]) {
          writer.entry({ ...plain, name: `f${round}-${size}`, mtime: `${round}.5`, size });
          take();
          if (size > 0) writer.data(Buffer.alloc(size, size % 251));
          take();
        }
      }
      writer.end();
      const { length } = writer;
      expect(taken.push(writer.take()) && taken.at(-1)).toHaveLength(length);
      expect(writer.length).toBe(0);
      return Buffer.concat(taken);
    };
    const whole = archive(() => false);
    expect(whole.length % 512).toBe(0);
    expect(archive(() => true).equals(whole)).toBe(true);
    expect(archive((length) => length > 256 * 1024).equals(whole)).toBe(true);
  });

  it("writes what another implementation reads", async () => {
    const entry = { ...plain, name: "n".repeat(180), xattrs: new Map([["user.a", "b"]]) };
    const names: string[] = [];
    const bodies: string[] = [];
    const stream = extract();
    Readable.from([written(entry)]).pipe(stream);
    for await (const one of stream) {
      names.push(one.header.name);
      for await (const chunk of one) bodies.push(String(chunk));
      expect(one.header).toMatchObject({ mode: 0o4755, uid: 7, gid: 8, size: 3 });
    }
    expect({ names, bodies }).toEqual({ names: [entry.name], bodies: ["abc"] });
  });
});
