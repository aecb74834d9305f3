import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countOutput, OutputDecoder, readOutput } from "../../src/keeper/detached/output.ts";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { renderEntry } from "../../src/keeper/log/entry.ts";
import { openKeeperStream } from "../../src/keeper/stream.ts";

const TIME = "2026-11-29T06:00:00.123456789Z";
const entry = (stream: "stdout" | "stderr" | "keeper", content: string, ends = true) =>
  renderEntry({ time: TIME, stream, ends, content: Buffer.from(content) });
const shown = (decoder: OutputDecoder, ...entries: readonly Buffer[]) =>
  decoder.add(Buffer.concat(entries)).map(({ stream, offset, data }) => [stream, offset, data.toString()]);

// Array.fromAsync() is of Node 22.
async function listed<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe("the decoder of output", () => {
  it("counts both streams together, with newlines, and joins what belongs together", () => {
    const decoder = new OutputDecoder(0);
    const entries = [
      entry("keeper", "start"),
      entry("stdout", "ab", false),
      entry("stdout", "c"),
      entry("stderr", "d"),
    ];
    expect(shown(decoder, ...entries, entry("stdout", "e", false))).toEqual([
      ["stdout", 0, "abc\n"],
      ["stderr", 4, "d\n"],
      ["stdout", 6, "e"],
    ]);
    expect(decoder.count).toBe(7);
  });
  it("begins within a piece, and at what a keeper has counted, never before what it counted itself", () => {
    expect(shown(new OutputDecoder(2), entry("stdout", "abc"))).toEqual([["stdout", 2, "c\n"]]);
    expect(shown(new OutputDecoder(4), entry("stdout", "abc"))).toEqual([]);
    const late = new OutputDecoder(5);
    const counted = [entry("keeper", "at 1000"), entry("stdout", "x"), entry("keeper", "lost 3 40 28")];
    expect(shown(late, ...counted, entry("keeper", "at 1100"), entry("stdout", "y"))).toEqual([
      ["stdout", 1000, "x\n"],
      ["stdout", 1100, "y\n"],
    ]);
    expect(shown(late, entry("keeper", "at 7"), entry("stdout", "z"))).toEqual([["stdout", 1102, "z\n"]]);
  });
  it("skips what is no entry, and waits for the end of one", () => {
    const decoder = new OutputDecoder(0);
    const line = entry("stdout", "whole");
    expect(shown(decoder, Buffer.from("garbage\n"), line.subarray(0, 40))).toEqual([]);
    expect(shown(decoder, line.subarray(40))).toEqual([["stdout", 0, "whole\n"]]);
  });
});

describe("a keeper that counts", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pileus-counted-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("tells with each file of its log what was printed before", async () => {
    const script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; printf end";
    const order = { argv: ["sh", "-c", script], env: { PATH: "/usr/bin:/bin" }, log: { size: 65536, files: 3 } };
    using launched = await launchKeeper({ run: folder, log: folder }, { ...order, counted: 0 });
    const keeper = await launched.begin();
    await keeper.exit;
    const whole = `${Array.from({ length: 20000 }, (_, number) => `${number}\n`).join("")}end`;
    const over = AbortSignal.abort();
    const [first, ...rest] = await listed(readOutput(folder, { offset: 0, over }));
    const from = first?.offset ?? 0;
    expect(from).toBeGreaterThan(0);
    expect(Buffer.concat([first, ...rest].map((chunk) => chunk?.data ?? Buffer.alloc(0))).toString()).toBe(
      whole.slice(from),
    );
    expect(await countOutput(folder)).toBe(whole.length);
    const [last] = await listed(readOutput(folder, { offset: whole.length - 3, over }));
    expect(last?.data.toString()).toBe("end");
  });

  it.each(["removed", "moved away"])("begins another file, with the count, when its newest is %s", async (how) => {
    const script = "echo first; read go; echo second";
    const order = { argv: ["sh", "-c", script], env: { PATH: "/usr/bin:/bin" }, input: true, counted: 0 };
    using launched = await launchKeeper({ run: folder, log: folder }, order);
    const keeper = await launched.begin();
    const stream = await openKeeperStream(folder);
    await once(stream, "data");
    await keeper.sync();
    const log = join(folder, "output.log");
    if (how === "removed") rmSync(log);
    else {
      renameSync(log, `${log}-20261201`);
      writeFileSync(log, "");
    }
    await stream.claim();
    stream.write("go\n");
    expect(await keeper.exit).toMatchObject({ lostEntries: 0 });
    const chunks = await listed(readOutput(folder, { offset: 0, over: AbortSignal.abort() }));
    expect(chunks.map(({ offset, data }) => [offset, data.toString()])).toEqual([[6, "second\n"]]);
    stream.destroy();
  });

  it("counts on from what was printed before, however much that is, and over what found no room", async () => {
    const before = 3 * 2 ** 32 + 5;
    mkdirSync(join(folder, "output.log"));
    const script = "echo lost; read go; echo kept";
    const order = { argv: ["sh", "-c", script], env: { PATH: "/usr/bin:/bin" }, input: true, counted: before };
    using launched = await launchKeeper({ run: folder, log: folder }, order);
    const keeper = await launched.begin();
    const stream = await openKeeperStream(folder);
    await once(stream, "data");
    await keeper.sync();
    rmdirSync(join(folder, "output.log"));
    await stream.claim();
    stream.write("go\n");
    await keeper.exit;
    const chunks = await listed(readOutput(folder, { offset: 0, over: AbortSignal.abort() }));
    expect(chunks.map(({ offset, data }) => [offset, data.toString()])).toEqual([[before + 5, "kept\n"]]);
    stream.destroy();
  });
});
