import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { LayerFilter } from "../../../src/images/layer/filter.ts";
import { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import { TarReader } from "../../../src/tar/reader.ts";
import { randomOf } from "../support/random.ts";
import { file, folder, hardLink, paxBytes, sealed, symlink, tarBytes } from "../support/tar-bytes.ts";

const HARMLESS = ["a", "b", "c", "d", ".", "", "\xff", "etc", "l"];
const WORDS = ["..", "/", ".wh.a", ".wh..wh..opq", "\0", "etc/passwd", ...HARMLESS, ...HARMLESS, ...HARMLESS];
const FLAGS = "0123456SxgLKMV\0Q";

describe("the tar reader and the layer filter, fed with damaged archives", () => {
  const random = randomOf(20_260_101);
  const name = () => Array.from({ length: 1 + random(4) }, () => WORDS[random(WORDS.length)] ?? "").join("/");
  const archive = () =>
    tarBytes(
      ...Array.from({ length: 1 + random(8) }, () => {
        switch (random(7)) {
          case 0:
            return folder(name());
          case 1:
            return symlink(name(), name());
          case 2:
            return hardLink(name(), name());
          case 3:
            return paxBytes({ path: name(), linkpath: name(), size: String(random(2000)) });
          case 4:
            return { name: name(), flag: FLAGS[random(FLAGS.length)] ?? "0", body: "y".repeat(random(700)) };
          default:
            return file(name(), "x".repeat(random(1200)));
        }
      }),
    );

  it("throw nothing but ImageError, and let nothing through that could leave the folder", () => {
    let passed = 0;
    for (let round = 0; round < 4000; round++) {
      let bytes = archive();
      for (let hits = random(3); hits > 0; hits--) {
        const at = random(bytes.length);
        bytes[at] = random(256);
        // Half of the time the checksum fits, so that the damage is read.
        if (random(2) === 0) {
          const start = at - (at % 512);
          sealed(bytes.subarray(start, start + 512));
        }
      }
      if (random(4) === 0) bytes = bytes.subarray(0, random(bytes.length));
      try {
        assertHarmless(filter(bytes, 1 + random(2000)));
        passed++;
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
      }
    }
    expect(passed).toBeGreaterThan(100);
  });
});

function filter(bytes: Buffer, piece: number): Buffer {
  const judge = new LayerFilter({
    image: "img",
    lower: new LowerLayers([]),
    limits: { bytes: 1e6, entries: 100, memory: 1e6 },
    whiteouts: true,
  });
  const reader = new TarReader((fault) => new ImageError("img", fault.message), judge);
  for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece));
  reader.end();
  for (const _step of judge.finish());
  return judge.output.take();
}

function assertHarmless(bytes: Buffer): void {
  const folders = new Set([""]);
  const files = new Set<string>();
  const symlinks = new Set<string>();
  const reader = new TarReader((fault) => new ImageError("out", fault.message), {
    entry: ({ type, name, target }) => {
      const path = name === "./" ? "" : name;
      const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
      expect(folders.has(parent), `${name} lies in a folder`).toBe(true);
      expect(path.split("/").includes("..")).toBe(false);
      for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1))
        expect(symlinks.has(path.slice(0, end)), `${name} is, or lies in, something that is not a symlink`).toBe(false);
      if (type === "directory") folders.add(path);
      if (type === "file" || type === "fifo") {
        expect(symlinks.size, "no file after a symlink").toBe(0);
        files.add(path);
      }
      if (type === "link") expect(files.has(target) || symlinks.has(target)).toBe(true);
      if (type === "link" && symlinks.has(target)) symlinks.add(path);
      else if (type === "link") files.add(path);
      if (type === "symlink") symlinks.add(path);
      expect(type).not.toBe("block");
      expect(type).not.toBe("character");
    },
    data: () => undefined,
  });
  reader.push(bytes);
  reader.end();
}
