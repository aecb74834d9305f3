import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileError, NotFoundError } from "@pileus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InitVerdict } from "../src/init-verdict.ts";

let folder: string;
let fifo: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-verdict-"));
  fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
});
afterEach(() => rmSync(folder, { recursive: true }));

const never = new Promise<never>(() => undefined);
const words = (...numbers: readonly number[]) => Buffer.from(Uint32Array.from(numbers).buffer);
const openWriter = () => openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);

/** The result for bytes that a writer leaves before it closes. */
async function told(...pieces: readonly Buffer[]): Promise<unknown> {
  using verdict = new InitVerdict(fifo, { argv: ["/sbin/init"], cwd: "/srv" });
  const writer = openWriter();
  for (const piece of pieces) writeSync(writer, piece);
  closeSync(writer);
  return await verdict.accept(never, {}).catch((reason: unknown) => reason);
}

// Root inside owns the FIFO as long as it exists.
describe("foreign bytes instead of the verdict on a container's PID 1", () => {
  it("are a missing program or another error if the numbers say so", async () => {
    expect(await told(words(2, 2))).toBeInstanceOf(NotFoundError);
    expect(await told(words(2, 13))).toMatchObject({ errno: "EACCES" });
    expect(await told(words(1, 1))).toMatchObject({ errno: "EPERM", path: "/sbin/init" });
    expect(await told(words(4, 20))).toMatchObject({ errno: "ENOTDIR", path: "/srv" });
  });

  it("are an error of this library for any numbers, and no more than eight bytes are kept", async () => {
    expect(await told(words(0xffff_ffff, 0xffff_ffff))).toBeInstanceOf(FileError);
    expect(await told(words(2), words(13), Buffer.alloc(32_768, 1))).toMatchObject({ errno: "EACCES" });
  });

  it("are ignored if they are incomplete", async () => {
    expect(await told()).toBeUndefined();
    expect(await told(Buffer.alloc(7, 1))).toBeUndefined();
  });

  it("do not block if the FIFO stays open without a byte: the end or the caller's signal ends the wait", async () => {
    using verdict = new InitVerdict(fifo, { argv: ["/sbin/init"], cwd: "/srv" });
    const writer = openWriter();
    try {
      await verdict.accept(Promise.resolve(), {});
      const enough = new AbortController();
      const accepting = verdict.accept(never, { signal: enough.signal });
      enough.abort("enough");
      await expect(accepting).rejects.toBe("enough");
    } finally {
      closeSync(writer);
    }
  });
});
