import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AgentClient } from "../src/index.ts";
import { AgentProcess } from "./support/agent-process.ts";

let agent: AgentProcess;
let client: AgentClient;
let folder: string;
let count = 0;

beforeAll(async () => {
  agent = await AgentProcess.start();
  client = await agent.client();
}, 60_000);

afterAll(async () => {
  client?.close();
  await agent?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  count += 1;
  folder = join(agent.folder, `files-${count}`);
  mkdirSync(folder);
});

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const fails = (errno: string) => ({ code: "ERR_FILE", errno });

describe("files of the guest", () => {
  it("writes and reads a file of megabytes, with owner and mode", async () => {
    const path = join(folder, "large");
    const bytes = Buffer.alloc(3 * 2 ** 20 + 7, "0123456789");
    const { stream, done } = await client.files.write(path, { ...own, mode: 0o640 });
    stream.end(bytes);
    await done;
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(await client.files.stat(path, {})).toMatchObject({ type: "file", size: bytes.length, mode: 0o640, ...own });
    expect((await buffer(await client.files.read(path, {}))).equals(bytes)).toBe(true);
  });

  it("sends and receives trees with their hard links, holes and nanoseconds", async () => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    mkdirSync(from);
    writeFileSync(join(from, "file"), "content");
    linkSync(join(from, "file"), join(from, "same"));
    truncateSync(join(from, "file"), 2 ** 31);
    execFileSync("touch", ["-d", "2001-02-03T04:05:06.123456789Z", join(from, "file")]);
    const { stream, done } = await client.files.writeTree(to, {});
    await pipeline(await client.files.readTree(from, {}), stream);
    await done;
    const stat = statSync(join(to, "file"), { bigint: true });
    expect(stat).toMatchObject({ size: 2n ** 31n, mtimeNs: 981_173_106_123_456_789n, nlink: 2n });
    expect(stat.blocks).toBeLessThan(200n);
  });

  it("represents names and targets that are not UTF-8 as text that leads back to them", async () => {
    const name = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]);
    symlinkSync(Buffer.from([0xe8, 0xe9]), name);
    expect(await (await client.files.list(folder, {})).toArray()).toMatchObject([
      { name: "\udcff", target: "\udce8\udce9" },
    ]);
    expect(await client.files.stat(`${folder}/\udcff`, {})).toMatchObject({ target: "\udce8\udce9" });
    const { stream, done } = await client.files.write(`${folder}/\udcff`, own);
    stream.end("through the link");
    await done;
    expect(readFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xe8, 0xe9])]), "utf8")).toBe(
      "through the link",
    );
    await client.files.remove(`${folder}/\udcff`, {});
    expect(readdirSync(folder, "buffer")).toEqual([Buffer.from([0xe8, 0xe9])]);
  });

  it("writes and reads an empty file", async () => {
    const { stream, done } = await client.files.write(join(folder, "empty"), own);
    stream.end();
    await done;
    expect(await buffer(await client.files.read(join(folder, "empty"), {}))).toHaveLength(0);
  });

  it("leaves the old content and no other file when a write is destroyed", async () => {
    writeFileSync(join(folder, "file"), "old");
    const { stream, done } = await client.files.write(join(folder, "file"), own);
    await new Promise((resolve) => stream.write(Buffer.alloc(100_000), resolve));
    stream.destroy();
    await done;
    expect(readdirSync(folder)).toEqual(["file"]);
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("old");
  });

  it("rejects with the signal's reason when a write is aborted, and leaves no file", async () => {
    const abort = new AbortController();
    const { stream, done } = await client.files.write(join(folder, "file"), { ...own, signal: abort.signal });
    stream.write("begun");
    const reason = new Error("changed my mind");
    abort.abort(reason);
    await expect(done).rejects.toBe(reason);
    expect(stream.errored).toBe(reason);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("ends a read with the signal's reason", async () => {
    writeFileSync(join(folder, "file"), Buffer.alloc(2 ** 22));
    const abort = new AbortController();
    const stream = await client.files.read(join(folder, "file"), { signal: abort.signal });
    const reason = new Error("changed my mind");
    const failed = once(stream, "error");
    abort.abort(reason);
    expect((await failed)[0]).toBe(reason);
  });

  it("lists, makes and removes files, and reports each kind of file", async () => {
    await client.files.mkdir(join(folder, "a/b"), { ...own, recursive: true, mode: 0o700 });
    symlinkSync("b", join(folder, "a/link"));
    writeFileSync(join(folder, "a/ü\n☁"), "x");
    const listed = await (await client.files.list(join(folder, "a"), {})).toArray();
    const entries = [...listed].sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(entries.map(({ name, type, target }) => [name, type, target])).toEqual([
      ["b", "directory", undefined],
      ["link", "symlink", "b"],
      ["ü\n☁", "file", undefined],
    ]);
    await expect(client.files.remove(join(folder, "a"), {})).rejects.toMatchObject(fails("ENOTEMPTY"));
    await client.files.remove(join(folder, "a"), { recursive: true });
    expect(existsSync(join(folder, "a"))).toBe(false);
  });

  it("lists a folder of thousands", async () => {
    for (let i = 0; i < 3000; i += 1) writeFileSync(join(folder, `file-${i}`), "");
    expect(await (await client.files.list(folder, {})).toArray()).toHaveLength(3000);
    expect(await (await client.files.list(join(folder, "."), {})).toArray()).toHaveLength(3000);
  });

  it("fails with the errno and the requested path", async () => {
    const { files } = client;
    const none = join(folder, "none");
    await expect(files.read(none, {})).rejects.toMatchObject({ ...fails("ENOENT"), path: none });
    await expect(files.read(folder, {})).rejects.toMatchObject(fails("EISDIR"));
    await expect(files.stat(none, {})).rejects.toMatchObject(fails("ENOENT"));
    await expect(files.list(none, {})).rejects.toMatchObject(fails("ENOENT"));
    await expect(files.mkdir(folder, own)).rejects.toMatchObject(fails("EEXIST"));
    await expect(files.remove(none, {})).rejects.toMatchObject(fails("ENOENT"));
    await expect(files.write(join(none, "x"), own)).rejects.toMatchObject(fails("ENOENT"));
    await expect(files.readTree(none, {})).rejects.toMatchObject(fails("ENOENT"));
  });

  it("carries a tree both ways as tar", async () => {
    const archive = pack();
    for (const name of [".", "dir", "dir/sub"]) archive.entry({ name, type: "directory", mode: 0o755, ...own });
    archive.entry({ name: "dir/sub/file", mode: 0o600, ...own }, "content");
    archive.entry({ name: "dir/link", type: "symlink", linkname: "sub/file", ...own });
    archive.finalize();
    const { stream, done } = await client.files.writeTree(join(folder, "tree"), {});
    await pipeline(Readable.from(archive), stream);
    await done;
    expect(readFileSync(join(folder, "tree/dir/link"), "utf8")).toBe("content");
    const found = new Map<string, string>();
    const reader = extract();
    reader.on("entry", (header, body, next) => {
      void buffer(body).then((content) => {
        found.set(header.name.replace(/\/$/, ""), `${header.type} ${header.linkname ?? ""}${content}`);
        next();
      });
    });
    await pipeline(await client.files.readTree(join(folder, "tree"), {}), reader);
    expect(found.get("dir/sub/file")).toBe("file content");
    expect(found.get("dir/link")).toBe("symlink sub/file");
  });
});

describe("facts of the guest", () => {
  it("answers a ping, and reports what it is", async () => {
    await client.ping();
    expect(await client.info()).toMatchObject({ architecture: process.arch });
    expect(client.welcome.methods).toContain("exec");
  });

  it("reports metrics that count up", async () => {
    const before = await client.metrics();
    const after = await client.metrics();
    expect(after.cpu.seconds).toBeGreaterThanOrEqual(before.cpu.seconds);
    expect(after.memory.bytes).toBeGreaterThan(0);
    expect(after.memory.bytes).toBeLessThan(after.memory.limitBytes ?? 0);
    expect(after.processes).toBeGreaterThan(1);
  });

  it("reports addresses without loopback", async () => {
    for (const { address, prefix } of await client.addresses()) {
      expect(address).not.toMatch(/^(127\.|::1$|fe80)/);
      expect(prefix).toBeGreaterThan(0);
    }
  });

  it("rejects with the signal's reason, and keeps the session", async () => {
    const reason = new Error("changed my mind");
    await expect(client.ping({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await client.ping();
  });
});
