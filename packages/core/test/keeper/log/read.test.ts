import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { entryTime } from "../../../src/keeper/log/entry.ts";
import { type LogQuery, openKeeperLog, openPlainLog } from "../../../src/keeper/log/open.ts";
import { LogWriter } from "../../../src/keeper/log/write.ts";
import { random } from "./random.ts";

let folder: string;
let log: LogWriter;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-log-"));
  log = new LogWriter(folder);
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, "output.log");
const open = (query: LogQuery = {}) => openKeeperLog(folder, query);
const read = async (query: LogQuery = {}) => text(await open(query));

/** Reads on, and tells what came so far. */
function follower(stream: Readable) {
  let seen = "";
  stream.on("data", (chunk: Buffer) => {
    seen += chunk.toString("latin1");
  });
  const ended = new Promise<string>((resolve, reject) => stream.on("error", reject).once("end", () => resolve(seen)));
  ended.catch(() => undefined);
  return { ended, has: (words: string) => expect.poll(() => seen, { timeout: 5000, interval: 5 }).toContain(words) };
}

describe("the log of a keeper", () => {
  it("is empty before the first start", async () => {
    expect(await read()).toBe("");
    expect(await read({ tail: 3 })).toBe("");
    expect(await read({ since: 0 })).toBe("");
    rmSync(folder, { recursive: true });
    expect(await read()).toBe("");
    folder = mkdtempSync(join(tmpdir(), "pileus-log-"));
    writeFileSync(file(), "");
    expect(await read()).toBe("");
  });

  it("gives both streams in the order of the output, or one", async () => {
    log.notice("start");
    log.print("stdout", "one\ntwo\n");
    log.print("stderr", "three\n");
    log.print("stdout", "four");
    expect(await read()).toBe("one\ntwo\nthree\nfour");
    expect(await read({ stream: "stdout" })).toBe("one\ntwo\nfour");
    expect(await read({ stream: "stderr" })).toBe("three\n");
  });

  it("begins with the last start, unless an earlier moment is named", async () => {
    const times = [1000, 2000, 3000, 4000, 5000];
    log = new LogWriter(folder, undefined, () => times.shift() ?? 6000);
    log.notice("start");
    log.print("stdout", "of the first run\n");
    log.print("stdout", "without an end");
    log.notice("start");
    log.print("stdout", "of the second run\n");
    expect(await read()).toBe("of the second run\n");
    expect(await read({ since: 0 })).toBe("of the first run\nwithout an end\nof the second run\n");
    expect(await read({ since: 2500 })).toBe("without an end\nof the second run\n");
    expect(await read({ since: 5000 })).toBe("of the second run\n");
    expect(await read({ since: 5001 })).toBe("");
    expect(await read({ since: 0, tail: 2 })).toBe("without an end\nof the second run\n");
    expect(await read({ tail: 9 })).toBe("of the second run\n");
  });

  it("is not taken in by a program that prints what a keeper writes", async () => {
    log.notice("start");
    log.print("stdout", "before\n");
    log.print("stdout", `${entryTime(1)} keeper F start\n`);
    log.print("stdout", "after\n");
    expect(await read()).toBe(`before\n${entryTime(1)} keeper F start\nafter\n`);
  });

  it("gives the last lines, also one that has not ended, and of one stream", async () => {
    log.notice("start");
    for (let number = 0; number < 5000; number += 1) log.print(number % 2 ? "stdout" : "stderr", `line ${number}\n`);
    expect(await read({ tail: 2 })).toBe("line 4998\nline 4999\n");
    expect(await read({ tail: 2, stream: "stderr" })).toBe("line 4996\nline 4998\n");
    expect(await read({ tail: 0 })).toBe("");
    expect((await read({ tail: 4000 })).split("\n").slice(0, 2)).toEqual(["line 1000", "line 1001"]);
    log.print("stdout", "# ");
    expect(await read({ tail: 2 })).toBe("line 4999\n# ");
    log.print("stdout", "x".repeat(100_000));
    expect(await read({ tail: 2 })).toBe(`line 4999\n# ${"x".repeat(100_000)}`);
    log.print("stdout", "\n");
    expect(await read({ tail: 1 })).toBe(`# ${"x".repeat(100_000)}\n`);
  });

  it("begins each line with its time when it is asked to", async () => {
    let now = 0;
    log = new LogWriter(folder, undefined, () => ++now);
    log.notice("start");
    log.print("stdout", `long ${"x".repeat(20_000)}\n`);
    log.print("stdout", "half");
    log.print("stderr", "between\n");
    log.print("stdout", " a line\n");
    const lines = (await read({ timestamps: true })).split("\n");
    const at = (moment: number) => entryTime(moment);
    expect(lines).toEqual([
      `${at(2)} long ${"x".repeat(20_000)}`,
      `${at(5)} half`,
      `${at(6)} between`,
      `${at(7)}  a line`,
      "",
    ]);
  });

  it("gives the bytes as they were printed", async () => {
    const { bytes, seed } = random();
    const printed = bytes(300_000);
    log.notice("start");
    for (let at = 0; at < printed.length; at += 7777) log.print("stdout", printed.subarray(at, at + 7777));
    expect((await buffer(await open())).equals(printed), `seed ${seed}`).toBe(true);
  });

  it("says where lines are missing or damaged, and goes on behind", async () => {
    log.notice("start");
    log.print("stdout", "no newline");
    log.notice("lost 3 40 28");
    log.print("stdout", "one\n");
    appendFileSync(file(), `garbage\n${"x".repeat(100_000)}\n\0\n`);
    log.print("stdout", "two\n");
    log.notice("resume");
    log.notice("of a later release");
    log.print("stdout", "three\n");
    expect(await read()).toBe(
      [
        "no newline",
        "[pileus: 3 lines with 40 bytes could not be written here: ENOSPC]",
        "one",
        "[pileus: 100008 bytes of this log are damaged here]",
        "two",
        "[pileus: the keeper of this log was killed, and another took over: output may be missing here]",
        "three",
        "",
      ].join("\n"),
    );
    expect(await read({ tail: 1 })).toMatch(/^\[pileus: the keeper .*\]\nthree\n$/);
    expect(await read({ stream: "stderr", tail: 1 })).toContain("100008 bytes of this log are damaged");
  });

  it("leaves out what is just being written", async () => {
    log.notice("start");
    log.print("stdout", "whole\n");
    appendFileSync(file(), "2026-11-29T06:00:00.1234");
    expect(await read()).toBe("whole\n");
    expect(await read({ tail: 1 })).toBe("whole\n");
  });

  it("has nothing since a moment that never comes, and all since one that was never", async () => {
    log.notice("start");
    log.print("stdout", "one\n");
    expect(await read({ since: 8.64e15 })).toBe("");
    expect(await read({ since: Date.UTC(10000, 0, 1) })).toBe("");
    expect(await read({ since: -8.64e15 })).toBe("one\n");
  });

  it("ends at what was there at the call, however much is written meanwhile", async () => {
    log = new LogWriter(folder, { size: 1000, files: 4 });
    log.notice("start");
    log.print("stdout", "before\n");
    const stream = await open();
    for (let number = 0; number < 70; number += 1) log.print("stdout", `after ${number}\n`);
    expect(await text(stream)).toBe("before\n");
  });

  it("is read in order across its files, and says that its oldest part is gone", async () => {
    log = new LogWriter(folder, { size: 5000, files: 3 });
    log.notice("start");
    for (let number = 0; number < 1000; number += 1) log.print("stdout", `line ${number}\n`);
    const [remark, ...lines] = (await read()).trimEnd().split("\n");
    expect(remark).toMatch(/^\[pileus: what was printed before was removed/);
    expect((await read({ since: 0 })).split("\n", 1)).toEqual([remark]);
    expect((await read({ tail: 1000 })).split("\n", 1)).toEqual([remark]);
    expect(await read({ tail: 1 })).toBe("line 999\n");
    expect(readdirSync(folder).sort()).toEqual(["output.log", "output.log.1", "output.log.2"]);
    expect(lines.length).toBeGreaterThan(150);
    expect(lines).toEqual(Array.from(lines, (_, index) => `line ${1000 - lines.length + index}`));
    expect(await read({ tail: 150 })).toBe(`${lines.slice(-150).join("\n")}\n`);
  });
});

describe("a reader that follows", () => {
  it("gets what is printed until the end of the run, and its last line", async () => {
    const over = new AbortController();
    const { ended, has } = follower(await open({ over: over.signal }));
    log.notice("start");
    log.print("stdout", "one\n");
    await has("one");
    log.print("stdout", "# ");
    await has("# ");
    log.print("stdout", "last\n");
    log.notice("end");
    over.abort();
    expect(await ended).toBe("one\n# last\n");
  });

  it("ends at once when the run is over already", async () => {
    expect(await read({ over: AbortSignal.abort() })).toBe("");
    log.notice("start");
    log.print("stdout", "done\n");
    expect(await read({ over: AbortSignal.abort() })).toBe("done\n");
  });

  it("misses nothing and sees nothing twice while the files are rotated, whatever the sizes", async () => {
    const { integer, seed } = random();
    // Many files, so that no reader is too slow.
    log = new LogWriter(folder, { size: 3000 + integer(3000), files: 1000 });
    log.notice("start");
    const over = new AbortController();
    const readers = [open({ over: over.signal }), open({ over: over.signal, tail: 0 }), open({ over: over.signal })];
    const all = readers.map(async (stream) => follower(await stream).ended);
    await Promise.all(readers);
    let printed = "";
    for (let number = 0; number < 2000; number += 1) {
      const line = `${number} ${"x".repeat(integer(200))}${integer(4) ? "\n" : ""}`;
      printed += line;
      log.print("stdout", line);
      if (integer(20) === 0) await setTimeout(0);
    }
    over.abort();
    for (const seen of await Promise.all(all)) expect(seen === printed, `seed ${seed}`).toBe(true);
  });

  it("says that its oldest part is gone when what is left begins with a notice of lost lines", async () => {
    log = new LogWriter(folder, { size: 1000, files: 2 });
    const lost = "[pileus: 3 lines with 40 bytes could not be written here: ENOSPC]\n";
    log.notice("lost 3 40 28");
    log.print("stdout", "the first\n");
    expect(await read()).toBe(`${lost}the first\n`);
    rmSync(file());
    log.notice("start");
    log.print("stdout", "x".repeat(950));
    log.notice("lost 3 40 28");
    log.print("stdout", `${"x".repeat(900)}\n`);
    log.print("stdout", "last\n");
    expect(readdirSync(folder).sort()).toEqual(["output.log", "output.log.1"]);
    expect(await read()).toBe(
      `[pileus: what was printed before was removed, to keep this log to its size]\n${lost}${"x".repeat(900)}\nlast\n`,
    );
  });

  it("is told what its writer could not write", async () => {
    log.notice("start");
    log.print("stdout", "before\n");
    renameSync(file(), `${file()}.away`);
    mkdirSync(file());
    log.print("stdout", "one\ntwo\n");
    rmdirSync(file());
    renameSync(`${file()}.away`, file());
    log.print("stdout", "after\n");
    expect(await read()).toBe("before\n[pileus: 2 lines with 6 bytes could not be written here: EISDIR]\nafter\n");
  });

  it("is told when files were removed before it came to them", async () => {
    log = new LogWriter(folder, { size: 1000, files: 2 });
    log.notice("start");
    const over = new AbortController();
    const stream = await open({ over: over.signal });
    log.print("stdout", "first\n");
    for (let number = 0; number < 200; number += 1) log.print("stdout", `line ${number}\n`);
    over.abort();
    const seen = await text(stream);
    expect(seen).toMatch(
      /^first\n(line \d+\n)*\[pileus: a part of this log was removed before it could be read here\]\n/,
    );
    expect(seen).toMatch(/line 199\n$/);
  });

  it.each(["removed", "moved away"])(
    "goes on in the next file, and repeats none, when the newest is %s",
    async (how) => {
      log = new LogWriter(folder, { size: 1000, files: 9 });
      log.notice("start");
      for (let number = 0; number < 70; number += 1) log.print("stdout", `line ${number}\n`);
      expect(readdirSync(folder).sort()).toEqual(["output.log", "output.log.1", "output.log.2", "output.log.3"]);
      const over = new AbortController();
      const { ended, has } = follower(await open({ over: over.signal }));
      await has("line 69");
      if (how === "removed") rmSync(file());
      else renameSync(file(), `${file()}-20261201`);
      log.print("stdout", "after\n");
      await has("after");
      over.abort();
      const lines = Array.from({ length: 70 }, (_, number) => `line ${number}\n`).join("");
      expect(await ended).toBe(
        `${lines}[pileus: a part of this log was removed before it could be read here]\nafter\n`,
      );
    },
  );

  it("begins with the last lines, or with none of those that were there", async () => {
    log.notice("start");
    log.print("stdout", "one\ntwo\n");
    const over = new AbortController();
    const [last, none] = [await open({ tail: 1, over: over.signal }), await open({ tail: 0, over: over.signal })];
    log.print("stdout", "three\n");
    over.abort();
    expect(await text(last)).toBe("two\nthree\n");
    expect(await text(none)).toBe("three\n");
  });

  it("ends with the reason of an abort, also while it waits, and when it is destroyed", async () => {
    const reason = new Error("enough");
    await expect(open({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const [over, controller] = [new AbortController(), new AbortController()];
    const stream = await open({ over: over.signal, signal: controller.signal });
    const { ended } = follower(stream);
    controller.abort(reason);
    await expect(ended).rejects.toBe(reason);
    for (const printed of [false, true]) {
      if (printed) log.print("stdout", "x\n");
      const other = await open({ over: over.signal });
      await new Promise((resolve) => other.once("close", resolve).destroy());
    }
  });

  it("keeps no more in memory than it is asked for", async () => {
    log.notice("start");
    log.print("stdout", `${"y".repeat(99)}\n`.repeat(10_000));
    const stream = await open({ over: new AbortController().signal });
    stream.read(0);
    await setTimeout(50);
    expect(stream.readableLength).toBeLessThan(300_000);
    stream.destroy();
  });
});

describe("the log that a program writes by itself", () => {
  const plain = () => join(folder, "console.log");
  const all = async (query: Parameters<typeof openPlainLog>[1] = {}) => text(await openPlainLog(plain(), query));

  it("is given as it is, or its last lines, and nothing of a file that is missing", async () => {
    expect(await all()).toBe("");
    writeFileSync(plain(), "one\ntwo\nthr");
    expect(await all()).toBe("one\ntwo\nthr");
    expect(await all({ tail: 2 })).toBe("two\nthr");
    expect(await all({ tail: 0 })).toBe("");
    expect(statSync(plain()).size).toBe(11);
  });

  it("begins with a whole line where the file continues one that is gone", async () => {
    for (const [content, rest] of [
      ["of a line\nnext\nlast", "next\nlast"],
      ["\nnext\n", "next\n"],
      ["of a line\n", ""],
      ["no line ends", "no line ends"],
      ["", ""],
    ] as const) {
      writeFileSync(`${plain()}.1`, content);
      writeFileSync(plain(), " and more\n");
      expect(await all()).toBe(`${rest} and more\n`);
    }
  });

  it("is followed, also when the writer begins a new file", async () => {
    const over = new AbortController();
    const { ended, has } = follower(await openPlainLog(plain(), { over: over.signal }));
    writeFileSync(plain(), "one\n");
    await has("one");
    appendFileSync(plain(), "two");
    renameSync(plain(), `${plain()}.1`);
    writeFileSync(plain(), " three\n");
    await has("three");
    over.abort();
    expect(await ended).toBe("one\ntwo three\n");
  });
});
