import { once } from "node:events";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { readLogFile } from "@pileus/core/driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
let log: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-log-"));
  log = join(folder, "console.log");
});
afterEach(() => rm(folder, { recursive: true }));

describe("readLogFile", () => {
  it("ends at what was there when it was called, however much is written meanwhile", async () => {
    await writeFile(log, "before");
    const stream = await readLogFile(log);
    await appendFile(log, " and after");
    expect(await text(stream)).toBe("before");
  });

  it("has nothing to read of a file that is empty or missing", async () => {
    expect(await text(await readLogFile(log))).toBe("");
    await writeFile(log, "");
    expect(await text(await readLogFile(log))).toBe("");
  });

  it("begins with a whole line where the file continues another", async () => {
    for (const [content, rest] of [
      ["of a line\nnext\nlast", "next\nlast"],
      ["\nnext\n", "next\n"],
      ["of a line\n", ""],
      ["no line ends", "no line ends"],
      ["", ""],
    ] as const) {
      await writeFile(log, content);
      expect(await text(await readLogFile(log, { continues: true }))).toBe(rest);
    }
  });

  it("rejects with the signal's reason, and ends what is being read when it aborts later", async () => {
    await writeFile(log, "x".repeat(2 ** 20));
    const reason = new Error("enough");
    await expect(readLogFile(log, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const stream = await readLogFile(log, { signal: controller.signal });
    const failed = once(stream, "error");
    controller.abort(reason);
    expect((await failed)[0]).toMatchObject({ name: "AbortError", cause: reason });
  });
});
