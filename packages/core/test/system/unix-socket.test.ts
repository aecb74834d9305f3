import { closeSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConnectionError } from "@pileus/core";
import { expect, it } from "vitest";
import { connectUnix, listenUnix } from "../../src/system/unix-socket.ts";

it("accepts connections before they are served, at a path of any length, and leaves its file", async () => {
  const root = await mkdtemp(join(tmpdir(), "pileus-unix-"));
  try {
    const folder = join(root, "x".repeat(120));
    await mkdir(folder);
    const path = join(folder, "a.sock");
    const fd = listenUnix(path);
    const client = await connectUnix(path);
    const server = createServer((socket) => socket.end("hello"));
    server.listen({ fd });
    let text = "";
    for await (const chunk of client) text += String(chunk);
    expect(text).toBe("hello");
    await new Promise((resolve) => server.close(resolve));
    expect((await stat(path)).isSocket()).toBe(true);
  } finally {
    await rm(root, { recursive: true });
  }
});

it("rejects with ConnectionError when there is no listener any more, and with the reason of an abort", async () => {
  const root = await mkdtemp(join(tmpdir(), "pileus-unix-"));
  try {
    const path = join(root, "a.sock");
    closeSync(listenUnix(path));
    await expect(connectUnix(path)).rejects.toThrow(ConnectionError);
    const reason = new Error("no");
    await expect(connectUnix(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  } finally {
    await rm(root, { recursive: true });
  }
});
