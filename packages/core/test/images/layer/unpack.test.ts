import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../../src/images/digest.ts";
import { DEFAULT_LAYER_LIMITS } from "../../../src/images/layer/limits.ts";
import { unpackLayer } from "../../../src/images/layer/unpack.ts";
import { file, folder, paxBytes, tarBytes } from "../support/tar-bytes.ts";

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "pileus-images-unpack-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const bytes = tarBytes(folder("./", owner), file("f", "x", owner));
const unpack = async (wanted: { readonly digest?: string; readonly diffId?: string }, archive = bytes) =>
  await unpackLayer(Readable.from([archive]), join(await mkdtemp(join(scratch, "t-")), "tree"), {
    image: "img",
    lower: [],
    limits: DEFAULT_LAYER_LIMITS,
    whiteouts: true,
    ...wanted,
  });

describe("a layer that is unpacked", () => {
  it("is refused unless its bytes have the requested digest and diff ID", async () => {
    const right = await digestOf(Readable.from([bytes]), {});
    const wrong = `sha256:${"0".repeat(64)}`;
    expect(await unpack({ digest: right, diffId: right })).toMatchObject({ digest: right, diffId: right });
    await expect(unpack({ digest: wrong })).rejects.toThrow(`image img: its digest is ${right}, not ${wrong}`);
    await expect(unpack({ diffId: wrong })).rejects.toThrow(`image img: its diff ID is ${right}, not ${wrong}`);
  });

  it("cannot make the unpacker read a file's content as entries, by parts that are not whole blocks", async () => {
    const outside = join(scratch, "outside");
    // GNU tar takes each part from a new block: the second would be the header of "carrier", and its content a header.
    const holes = paxBytes({ "GNU.sparse.map": "0,1,2,1", "GNU.sparse.size": "4" });
    const carrier = file("carrier", tarBytes(file(outside, "x", owner)).toString("latin1"), owner);
    const archive = tarBytes(folder("./", owner), holes, file("f", "ab", owner), carrier);
    await expect(unpack({}, archive)).rejects.toThrow(/"f" has a sparse map with a part that is not a whole block/);
    expect(existsSync(outside)).toBe(false);
  });
});
