import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identifyChild, launchKeeper, listenUnix, signalProcess, socketPair } from "@pileus/core/driver";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DETACHED_HOLDER } from "../../src/helpers.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-holder-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** helper/exec-helper.c: the frames of what serves a program, which are `kind, value`. */
const frame = (kind: number, value: number) => Buffer.from(Uint32Array.of(kind, value).buffer);
const [STARTED, ENDED, SIGNAL] = [1, 3, 1];

it("the holder of a program passes signals on while half a frame has come, and takes the rest", async () => {
  const [holders, ours] = socketPair();
  const announce = listenUnix(join(folder, "nobody.sock"));
  const server = new Socket({ fd: ours, readable: true, writable: true });
  let got: Buffer = Buffer.alloc(0);
  server.on("data", (bytes: Buffer) => {
    got = Buffer.concat([got, bytes]);
  });
  try {
    const order = { argv: ["pileus-detached", "0 0", "/", "true"], env: {} };
    const starter = { program: DETACHED_HOLDER.descriptor(), announce, file: holders };
    using launched = await launchKeeper({ run: folder, log: folder }, order, { starter });
    server.write(frame(STARTED, 4711));
    const keeper = await launched.begin();
    const end = frame(ENDED, 7 << 8);
    server.write(end.subarray(0, 5));
    const holder = identifyChild(keeper.state.holder);
    for (const [signal, number] of [
      ["SIGTERM", 15],
      ["SIGINT", 2],
    ] as const) {
      await signalProcess(holder, signal);
      await expect.poll(() => got.subarray(-8), { timeout: 20_000 }).toEqual(frame(SIGNAL, number));
    }
    server.write(end.subarray(5));
    expect((await keeper.exit)?.status).toEqual({ kind: "exited", code: 7 });
  } finally {
    closeSync(holders);
    closeSync(announce);
    server.destroy();
  }
});
