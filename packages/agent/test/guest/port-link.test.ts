import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { findNativeModule } from "../../src/drive/native-modules.ts";
import { loadNative } from "../../src/guest/native.ts";
import { PortLink } from "../../src/guest/port-link.ts";
import { PortWatch } from "../../src/guest/port-watch.ts";

const AF_UNIX = 1;
const SOCK_STREAM_NONBLOCK = 0o4001;
const native = loadNative(findNativeModule("koffi.node") ?? "");
const module = { exports: {} as { load(library: null): { func(text: string): (...args: unknown[]) => number } } };
process.dlopen(module, findNativeModule("koffi.node") ?? "");
// One for all tests, because it occupies a thread of Node's pool for good.
const watch = new PortWatch(native);
const socketpair = module.exports.load(null).func("int socketpair(int family, int type, int protocol, _Out_ int *fds)");

const peers: Socket[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.destroy();
});

/** A link whose port is one end of a pair of sockets, which are as little blocking and as bounded as a port is. */
function makePort({
  missing = () => 0,
  before = "",
  answer,
}: {
  readonly missing?: () => number;
  /** What its host has sent before the link listens. */
  readonly before?: string;
  /** What is sent at once when something arrives. */
  readonly answer?: string;
} = {}) {
  const fds = [-1, -1];
  if (socketpair(AF_UNIX, SOCK_STREAM_NONBLOCK, 0, fds) !== 0) throw new Error("no pair of sockets");
  const [fd = -1, other = -1] = fds;
  const peer = new Socket({ fd: other });
  peers.push(peer);
  native.write(other, Buffer.from(before), before.length);
  const link = new PortLink({ fd, native, watch, greet: () => Buffer.from("greeting ") });
  const seen = { bytes: "", chunks: [] as number[], drained: 0, lost: 0 };
  const waiting: (() => void)[] = [];
  const changed = () => {
    for (const wake of waiting.splice(0)) wake();
  };
  link.listen({
    data: (chunk) => {
      seen.bytes += chunk.toString("latin1");
      seen.chunks.push(chunk.length);
      if (answer !== undefined) link.send([Buffer.from(answer)]);
      changed();
    },
    drain: () => {
      seen.drained++;
      changed();
    },
    lost: () => {
      seen.lost++;
      changed();
    },
    missing,
  });
  const until = async (reached: () => boolean) => {
    while (!reached()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { link, peer, seen, until };
}

/** What arrives, until it ends with `last`. */
async function received(peer: Socket, last: string): Promise<string> {
  let text = "";
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.endsWith(last)) break;
  }
  return text;
}

describe("PortLink", () => {
  it("greets a host, and then sends the frames of one turn in order", async () => {
    const { link, peer } = makePort();
    expect(link.send([Buffer.from("head"), Buffer.from("body")])).toBe(true);
    link.send([Buffer.from(" and next")]);
    expect(await received(peer, "next")).toBe("greeting headbody and next");
  });

  it("does not greet a host that has already said hello and is answered", async () => {
    const { peer } = makePort({ before: "hello", answer: "welcome" });
    expect(await received(peer, "welcome")).toBe("welcome");
  });

  it("delivers what comes to each of several ports, with one thread for all", async () => {
    const ports = Array.from({ length: 8 }, () => makePort());
    for (const [index, { peer }] of ports.entries()) peer.write(`to ${index}`);
    await Promise.all(ports.map(({ seen, until }, index) => until(() => seen.bytes === `to ${index}`)));
  });

  it("is full while its host reads nothing, and goes on when it does, while another port works", async () => {
    const [stalled, other] = [makePort(), makePort()];
    const block = Buffer.alloc(64 * 1024, "x");
    let sent = 0;
    // A pair of sockets holds a few hundred KiB; the link then holds its own 128.
    for (; sent < 100 && stalled.link.send([block]); sent++) await new Promise(setImmediate);
    expect(sent).toBeLessThan(100);
    expect(stalled.seen.drained).toBe(0);
    other.peer.write("hello");
    await other.until(() => other.seen.bytes === "hello");
    stalled.link.send([Buffer.from("end")]);
    expect((await received(stalled.peer, "end")).length).toBe("greeting ".length + (sent + 1) * block.length + 3);
    await stalled.until(() => stalled.seen.drained === 1);
  });

  it("waits for the rest of a frame only for a moment: a host that stopped in the middle delays no other", async () => {
    const half = makePort({ missing: () => Math.max(0, 100_000 - half.seen.bytes.length) });
    const other = makePort();
    half.peer.write(Buffer.alloc(10_000, "a"));
    other.peer.write("hello");
    await other.until(() => other.seen.bytes === "hello");
    await half.until(() => half.seen.bytes.length === 10_000);
    half.peer.write(Buffer.alloc(90_000, "b"));
    await half.until(() => half.seen.bytes.length === 100_000);
    // In fewer pieces than the reads of 4 KiB that it took.
    expect(half.seen.chunks.length).toBeLessThan(100_000 / 4096);
  });

  it("reads of a frame of megabytes no more in one turn than of small ones, because other ports wait", async () => {
    const size = 8 * 2 ** 20;
    const port = makePort({ missing: () => size - port.seen.bytes.length });
    const ended = once(
      spawn("head", ["-c", String(size), "/dev/zero"], { stdio: ["ignore", port.peer, "ignore"] }),
      "exit",
    );
    let most = 0;
    for (let before = 0; before < size; ) {
      await new Promise(setImmediate);
      const now = port.seen.bytes.length;
      most = Math.max(most, now - before);
      before = now;
    }
    expect(most).toBeLessThan(2 ** 20);
    await ended;
  });

  it("sends nothing of a session that is over", async () => {
    const { link, peer } = makePort();
    link.send([Buffer.from("dead")]);
    link.discard();
    link.send([Buffer.from("alive")]);
    expect(await received(peer, "alive")).toBe("greeting alive");
  });

  it("tells once that its host is gone", async () => {
    const { peer, seen, until } = makePort();
    peer.destroy();
    await until(() => seen.lost > 0);
  });
});
