import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/manifest.ts";
import { writeOciLayout } from "../../src/image/write.ts";

let folder: string;
let tar: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-write-"));
  tar = join(folder, "layer.tar");
  await writeFile(tar, Buffer.alloc(1024));
});
afterEach(() => rm(folder, { recursive: true }));

describe("writeOciLayout", () => {
  it("names every blob by the digest of its content", async () => {
    const layout = join(folder, "layout");
    await writeOciLayout({ folder: layout, tag: "one", layers: [{ tar }], config: { cmd: ["/bin/true"] } });
    const names = await readdir(join(layout, "blobs", "sha256"));
    expect(names).toHaveLength(3);
    for (const name of names)
      expect(digestOf(await readFile(join(layout, "blobs", "sha256", name)))).toBe(`sha256:${name}`);
  });

  it("writes the same digests for the same input", async () => {
    const first = await writeOciLayout({ folder: join(folder, "a"), tag: "x", layers: [{ tar }] });
    const second = await writeOciLayout({ folder: join(folder, "b"), tag: "x", layers: [{ tar }] });
    expect(second).toEqual(first);
  });

  it("keeps the other images of a layout, and moves a tag that is in use", async () => {
    const layout = join(folder, "layout");
    const write = (tag: string, cmd: string[]) =>
      writeOciLayout({ folder: layout, tag, layers: [{ tar }], config: { cmd } });
    const kept = await write("kept", ["a"]);
    await write("moved", ["b"]);
    const moved = await write("moved", ["c"]);
    const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
    expect(index.manifests.map((entry: { digest: string }) => entry.digest)).toEqual([kept.manifest, moved.manifest]);
  });

  it("refuses a compressed layer and leaves no part of it", async () => {
    await writeFile(tar, gzipSync(Buffer.alloc(1024)));
    const layout = join(folder, "layout");
    await expect(writeOciLayout({ folder: layout, tag: "x", layers: [{ tar }] })).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
    });
    expect(await readdir(layout)).toEqual(["blobs"]);
    expect(await readdir(join(layout, "blobs", "sha256"))).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ["a misspelled key of the program", { config: { entryPoint: ["/x"] } }, /config\.entryPoint: .*"entrypoint"/],
    ["a command that is not a list", { config: { cmd: "/x" } }, /config\.cmd: /],
    ["a misspelled option", { compress: "none" }, /compress: .*"compression"/],
    ["a tag that no import could name", { tag: "a b" }, /tag: it is not a name/],
    ["no tag", { tag: undefined }, /tag: /],
    ["a folder that no import could name", { folder: "/a:b" }, /folder: the path of a layout cannot contain a colon/],
    ["NUL in the path of a tar", { layers: [{ tar: "a\0b" }] }, /layers\.0\.tar: a path cannot contain NUL/],
    ["the path of a layer alone", { layers: ["a.tar"] }, /layers\.0: .*write \{ tar: "a\.tar" \}/],
    ["a controller for a signal", { signal: new AbortController() }, /signal: .*pass the controller's signal/],
    ["a command line", { config: { cmd: "a b" } }, /config\.cmd: .*write \["a", "b"\]/],
    [
      "NUL in an argument",
      { config: { entrypoint: ["a\0b"] } },
      /config\.entrypoint\.0: an argument cannot contain NUL/,
    ],
    ["an object of variables", { config: { env: { A: "1" } } }, /config\.env: must be a list: write \["A=1"\]/],
    ["a variable without a value", { config: { env: ["A"] } }, /config\.env\.0: a variable is NAME=value/],
    [
      "a relative working directory",
      { config: { workdir: "a" } },
      /config\.workdir: a working directory is an absolute/,
    ],
    ["a user that nothing can look up", { config: { user: "a b" } }, /config\.user: a user is/],
    ["a signal that is none", { config: { stopSignal: "SIGNONE" } }, /config\.stopSignal: no such signal/],
    ["a name that is lost", { config: { labels: JSON.parse('{"__proto__":"x"}') } }, /config\.labels\.__proto__: /],
    ["a list of labels", { config: { labels: ["a=b"] } }, /config\.labels: .*write \{ name: "value" \}/],
    ["a port that is none", { config: { exposedPorts: ["x"] } }, /config\.exposedPorts\.0: a port is a number/],
    [
      "a port beyond the last",
      { config: { exposedPorts: ["65536/tcp"] } },
      /config\.exposedPorts\.0: a port is a number/,
    ],
    ["a port as a number", { config: { exposedPorts: [80] } }, /config\.exposedPorts\.0: .*write "80"/],
    ["ports as Docker has them", { config: { exposedPorts: { "80/tcp": {} } } }, /write \["80\/tcp"\]/],
    ["a relative volume", { config: { volumes: ["data"] } }, /config\.volumes\.0: a volume is an absolute path/],
    ["volumes as Docker has them", { config: { volumes: { "/data": {} } } }, /config\.volumes: .*write \["\/data"\]/],
  ])("refuses %s, and writes nothing", async (_what, more, message) => {
    const layout = join(folder, "layout");
    const written = writeOciLayout({ folder: layout, tag: "x", layers: [{ tar }], ...more });
    await expect(written).rejects.toMatchObject({ code: "ERR_CONFIG" });
    await expect(written).rejects.toThrow(message);
    expect(existsSync(layout)).toBe(false);
  });

  it.each([
    ["a tar that is not there", "none.tar", "ERR_HOST_FILE_NOT_FOUND"],
    ["a folder for a tar", ".", "ERR_IMAGE_INVALID"],
  ])("refuses %s", async (_what, name, code) => {
    const layout = join(folder, "layout");
    const written = writeOciLayout({ folder: layout, tag: "x", layers: [{ tar: join(folder, name) }] });
    await expect(written).rejects.toMatchObject({ code, cause: expect.anything() });
    expect(await readdir(layout)).toEqual(["blobs"]);
  });

  it("rejects with the reason of an abort", async () => {
    const reason = new Error("enough");
    const layout = join(folder, "layout");
    await expect(
      writeOciLayout({ folder: layout, tag: "x", layers: [{ tar }], signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    expect(await readdir(join(layout, "blobs", "sha256"))).toEqual([]);
  });
});
