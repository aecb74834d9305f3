import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { type AgentClient, connectAgent } from "../src/index.ts";
import { Deframer } from "../src/protocol/deframer.ts";
import { encodeFrame, encodeHeader, FRAME, type FrameType, INITIAL_CREDIT, MAX_DATA } from "../src/protocol/frame.ts";
import { encodeRecord, MARKER } from "../src/protocol/record.ts";
import { request } from "./support/agent-process.ts";
import { seeded } from "./support/random.ts";
import { streamPair } from "./support/stream-pair.ts";

/** A guest that shakes hands correctly, and from then on sends what the test wants. */
async function guest(options: { callTimeout?: number } = {}) {
  const [host, inside] = streamPair();
  const calls: { id: number; method: string }[] = [];
  const deframer = new Deframer({
    record: (kind, payload) => {
      if (kind !== "hello") return false;
      const { token } = JSON.parse(payload.toString());
      inside.write(encodeRecord("welcome", { token, protocol: 1, agent: "evil", methods: ["detach"], bootId: "b" }));
      return true;
    },
    frame: (header, payload) => {
      if (header.type === FRAME.call) calls.push({ id: header.call, method: JSON.parse(payload.toString()).method });
    },
    data: () => undefined,
    malformed: () => undefined,
  });
  inside.on("data", (chunk) => deframer.push(chunk));
  inside.on("error", () => undefined);
  const client = await connectAgent({ connect: () => host, timeout: 5_000, callTimeout: 5_000, ...options });
  return { client, inside, calls };
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const frame = (type: FrameType, call: number, channel: number, payload?: Buffer) =>
  encodeFrame(type, call, channel, payload);
const protocolError = { code: "ERR_PROTOCOL" };

/** Begins a call and sends an answer to it. */
async function answered(begin: (client: AgentClient) => Promise<unknown>, ...said: Buffer[]) {
  const { client, inside } = await guest();
  const outcome = begin(client);
  outcome.catch(() => undefined);
  inside.write(Buffer.concat(said));
  return { client, inside, outcome };
}

const stat = { type: "file", size: 1, mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNs: "0" };
const started = frame(FRAME.message, 1, 0, json({ type: "started" }));
const chunk = frame(FRAME.data, 1, 1, Buffer.alloc(MAX_DATA));

// As deep as a message can be.
const nested = Buffer.from("[".repeat(30_000) + "]".repeat(30_000));

describe("a hostile guest ends its own session with ProtocolError", () => {
  it.each<[string, (client: AgentClient) => Promise<unknown>, Buffer[]]>([
    [
      "a result of another shape",
      (c) => c.metrics(),
      [frame(FRAME.close, 1, 0, json({ ok: true, result: { cpu: "much" } }))],
    ],
    [
      "an invalid address",
      (c) => c.addresses(),
      [
        frame(
          FRAME.close,
          1,
          0,
          json({
            ok: true,
            result: [{ interface: "eth0", family: "inet", address: "$(id)", prefix: 24, mac: "52:54:00:00:00:01" }],
          }),
        ),
      ],
    ],
    ["an outcome of another shape", (c) => c.ping(), [frame(FRAME.close, 1, 0, json({ fine: 1 }))]],
    ["a payload that is not JSON", (c) => c.ping(), [frame(FRAME.close, 1, 0, Buffer.from("{"))]],
    ["an outcome of 30,000 nested arrays", (c) => c.metrics(), [frame(FRAME.close, 1, 0, nested)]],
    [
      "a result of 30,000 nested arrays",
      (c) => c.metrics(),
      [frame(FRAME.close, 1, 0, Buffer.from(`{"ok":true,"result":${nested}}`))],
    ],
    ["a message of 30,000 nested arrays", (c) => c.exec(request(["x"])), [frame(FRAME.message, 1, 0, nested)]],
    ["a CALL from the agent", (c) => c.ping(), [frame(FRAME.call, 1, 0, json({ method: "exec" }))]],
    ["a CANCEL", (c) => c.ping(), [frame(FRAME.cancel, 1, 0)]],
    ["a frame for a call that is not open", (c) => c.ping(), [frame(FRAME.message, 77, 0, json({ type: "started" }))]],
    ["data for a call that is not open", (c) => c.ping(), [frame(FRAME.data, 77, 1, Buffer.from("x"))]],
    ["data for a channel that is not open", (c) => c.ping(), [frame(FRAME.data, 1, 1, Buffer.from("x"))]],
    ["a message of an unknown type", (c) => c.exec(request(["x"])), [frame(FRAME.message, 1, 0, json({ type: "?" }))]],
    [
      "an invalid exit",
      (c) => c.exec(request(["x"])),
      [frame(FRAME.message, 1, 0, json({ type: "exit", status: { kind: "exited", code: 4096 } }))],
    ],
    ["data beyond its credit", (c) => c.exec(request(["x"])), Array(INITIAL_CREDIT / MAX_DATA + 1).fill(chunk)],
    [
      "a flood of tiny frames",
      (c) => c.exec(request(["x"])),
      Array(1025).fill(frame(FRAME.data, 1, 1, Buffer.from("x"))),
    ],
    ["a flood of empty frames", (c) => c.exec(request(["x"])), Array(1025).fill(frame(FRAME.data, 1, 1))],
    ["data after END", (c) => c.exec(request(["x"])), [frame(FRAME.end, 1, 1), chunk]],
    ["END twice", (c) => c.exec(request(["x"])), [frame(FRAME.end, 1, 1), frame(FRAME.end, 1, 1)]],
    [
      "more credit than a channel may hold",
      (c) => c.exec(request(["x"])),
      [frame(FRAME.window, 1, 0, Buffer.from([0x7f, 0, 0, 0]))],
    ],
    ["a frame that is too long", (c) => c.ping(), [encodeHeader(FRAME.data, 1, 1, MAX_DATA + 1)]],
    ["a message that is too long", (c) => c.ping(), [encodeHeader(FRAME.close, 1, 0, 2 ** 31)]],
    ["an unknown type", (c) => c.ping(), [encodeHeader(42 as never, 1, 0, 0)]],
    ["a welcome within the session", (c) => c.ping(), [encodeRecord("welcome", { token: "x" })]],
    ["a hello", (c) => c.ping(), [encodeRecord("hello", { token: "x", protocols: [1] })]],
  ])("after %s", async (_, begin, said) => {
    const { client, outcome } = await answered(begin, ...said);
    expect(await client.closed).toMatchObject(protocolError);
    // exec may have begun before the breach.
    await outcome.then(
      () => undefined,
      (error) => expect(error).toMatchObject(protocolError),
    );
    await expect(client.ping()).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("fails running programs and streams, without a crash where the error is not handled", async () => {
    const { client, inside, outcome } = await answered((c) => c.exec(request(["x"])), started);
    const process = (await outcome) as Awaited<ReturnType<AgentClient["exec"]>>;
    inside.write(encodeHeader(42 as never, 1, 0, 0));
    await expect(process.exit).rejects.toMatchObject(protocolError);
    if (process.streams.kind !== "pipes") throw new Error("not on pipes");
    expect(process.streams.stdout.errored).toMatchObject(protocolError);
    await client.closed;
  });

  const entry = (name: string) =>
    JSON.stringify({ name, type: "file", size: 0, mode: 0, uid: 0, gid: 0, mtime: 0, mtimeNs: "0" });
  it.each([
    ["an entry named a/b", `${entry("a/b")}\n`],
    ["an entry named ..", `${entry("..")}\n`],
    ["30,000 nested arrays", `${nested}\n`],
    ["an entry that is cut short", `${entry("a")}\n${entry("b").slice(0, -1)}`],
  ])("after a listing with %s", async (_, said) => {
    const { client, inside, outcome } = await answered(async (c) => (await c.files.list("/", {})).toArray(), started);
    inside.write(
      Buffer.concat([
        frame(FRAME.data, 1, 1, Buffer.from(said)),
        frame(FRAME.end, 1, 1),
        frame(FRAME.close, 1, 0, json({ ok: true })),
      ]),
    );
    await expect(outcome).rejects.toMatchObject(protocolError);
    expect(await client.closed).toMatchObject(protocolError);
  });
});

/** The bytes of one piece of output. */
const piece = (stream: number, offset: bigint, length: number, bytes = Buffer.alloc(length)) => {
  const head = Buffer.alloc(13);
  head.writeUInt8(stream);
  head.writeBigUInt64BE(offset, 1);
  head.writeUInt32BE(length, 9);
  return Buffer.concat([head, bytes]);
};
const sends = (...parts: Buffer[]) => [started, ...parts.map((part) => frame(FRAME.data, 1, 1, part))];
const ends = [frame(FRAME.end, 1, 1), frame(FRAME.close, 1, 0, json({ ok: true }))];
const id = "0123456789abcdef";

describe("a hostile guest ends its own session when it lies of detached programs", () => {
  const list = (client: AgentClient) => client.programs?.list({}) ?? Promise.reject();
  const read = async (client: AgentClient) => {
    const pieces = await client.programs?.attach(id, { offset: 10, follow: true }, {});
    for await (const _ of pieces ?? []);
  };
  it.each<[string, (client: AgentClient) => Promise<unknown>, Buffer[]]>([
    ["a line that is not JSON", list, [...sends(Buffer.from("{\n")), ...ends]],
    ["an id that is a path", list, [...sends(Buffer.from('{"id":"../x","argv":[],"startedAt":0}\n')), ...ends]],
    ["a time that is none", list, [...sends(Buffer.from(`{"id":"${id}","argv":[],"startedAt":-1}\n`)), ...ends]],
    [
      "30,000 arguments that are none",
      list,
      [...sends(Buffer.from(`{"id":"${id}","argv":[${"1,".repeat(30_000)}1],"startedAt":1}\n`)), ...ends],
    ],
    ["an argument that is none", list, [...sends(Buffer.from(`{"id":"${id}","argv":[1],"startedAt":1}\n`)), ...ends]],
    ["a stream that there is not", read, sends(piece(3, 10n, 1))],
    ["a byte from before", read, sends(piece(1, 10n, 4), piece(1, 13n, 1))],
    ["an empty piece", read, sends(piece(1, 10n, 0))],
    ["a piece of any length", read, sends(piece(1, 10n, 0xffffffff, Buffer.alloc(1)))],
    ["an offset beyond all numbers", read, sends(piece(1, 2n ** 63n, 1))],
    [
      "an exit that is none",
      (client) => client.programs?.wait(id, {}) ?? Promise.reject(),
      [frame(FRAME.close, 1, 0, json({ ok: true, result: { status: { kind: "exited", code: 4000 } } }))],
    ],
  ])("by %s", async (_, begin, said) => {
    const { client, outcome } = await answered(begin, ...said);
    await expect(outcome).rejects.toMatchObject(protocolError);
    expect(await client.closed).toMatchObject(protocolError);
  });
});

describe("what a guest reports about itself", () => {
  const address = { interface: "eth0", family: "inet", address: "10.0.0.2", prefix: 24, mac: "52:54:00:00:00:01" };
  it.each<[string, (client: AgentClient) => Promise<unknown>, unknown]>([
    ["memory that no machine has", (c) => c.metrics(), { cpu: { seconds: 1 }, memory: { bytes: 1e308 } }],
    ["a processor time of 1e308", (c) => c.metrics(), { cpu: { seconds: 1e308 }, memory: { bytes: 1 } }],
    ["an IPv4 prefix of 128", (c) => c.addresses(), [{ ...address, prefix: 128 }]],
    ["an IPv6 address with a zone", (c) => c.addresses(), [{ ...address, family: "inet6", address: "fe80::1%x" }]],
    ["a size of 1e308", (c) => c.files.stat("/a", {}), { ...stat, size: 1e308 }],
  ])("ends its session when it is %s", async (_, begin, result) => {
    const { client, outcome } = await answered(begin, frame(FRAME.close, 1, 0, json({ ok: true, result })));
    await expect(outcome).rejects.toMatchObject(protocolError);
    expect(await client.closed).toMatchObject(protocolError);
  });

  it.each(["SIGZZZZ", "SIGRTMIN+99", "SIG", "constructor"])("ends its session when a signal is %s", async (signal) => {
    const exit = frame(FRAME.message, 1, 0, json({ type: "exit", status: { kind: "signaled", signal } }));
    const { client } = await answered((c) => c.exec(request(["x"])), started, exit);
    expect(await client.closed).toMatchObject(protocolError);
  });

  it("is printable", async () => {
    const said = { kernel: "6.1\u202e", architecture: "x\n", hostname: "\u001b[2J", init: "\u2028", agentMemory: 1 };
    const { outcome } = await answered((c) => c.info(), frame(FRAME.close, 1, 0, json({ ok: true, result: said })));
    expect(await outcome).toEqual({
      kernel: "6.1\ufffd",
      architecture: "x\ufffd",
      hostname: "\ufffd[2J",
      init: "\ufffd",
      agentMemory: 1,
    });
  });

  it("has valid dates, whatever the guest reports", async () => {
    const said = frame(FRAME.close, 1, 0, json({ ok: true, result: { ...stat, mtime: -1e308 } }));
    const { outcome } = await answered((c) => c.files.stat("/a", {}), said);
    expect(new Date(((await outcome) as { mtime: number }).mtime).getTime()).toBe(-8.64e15);
  });
});

describe("a guest that closes a call before its streams have ended", () => {
  const over = frame(FRAME.close, 1, 0, json({ ok: true }));

  it.each<[string, (client: AgentClient) => Promise<unknown>]>([
    ["read", async (c) => buffer(await c.files.read("/a", {}))],
    ["readTree", async (c) => buffer(await c.files.readTree("/a", {}))],
    ["list", async (c) => (await c.files.list("/a", {})).toArray()],
  ])("fails %s with ProtocolError, whatever came before", async (_, begin) => {
    const { outcome } = await answered(begin, started, frame(FRAME.data, 1, 1, Buffer.from("x")), over);
    await expect(outcome).rejects.toMatchObject(protocolError);
  });

  it("fails a program's output and exit with ProtocolError", async () => {
    const { inside, outcome } = await answered((c) => c.exec(request(["x"])), started);
    const { streams, exit } = (await outcome) as Awaited<ReturnType<AgentClient["exec"]>>;
    if (streams.kind !== "pipes") throw new Error("not on pipes");
    const output = buffer(streams.stdout);
    inside.write(over);
    await expect(output).rejects.toMatchObject(protocolError);
    await expect(exit).rejects.toMatchObject(protocolError);
  });

  it("fails a write with ProtocolError before its content was taken", async () => {
    const { inside, outcome } = await answered((c) => c.files.write("/a", {}), started);
    const { stream, done } = (await outcome) as Awaited<ReturnType<AgentClient["files"]["write"]>>;
    stream.write("some");
    inside.write(over);
    await expect(done).rejects.toMatchObject(protocolError);
    expect(stream.errored).toMatchObject(protocolError);
  });

  it("keeps the session", async () => {
    const { client, inside, outcome } = await answered(
      async (c) => (await c.files.list("/a", {})).toArray(),
      started,
      over,
    );
    await expect(outcome).rejects.toMatchObject(protocolError);
    const next = client.ping();
    inside.write(frame(FRAME.close, 2, 0, json({ ok: true })));
    await next;
  });
});

describe("a guest that falls silent during a call", () => {
  const abortions: readonly [string, (client: AgentClient, signal: AbortSignal) => Promise<unknown>][] = [
    ["read", async (c, signal) => buffer(await c.files.read("/a", { signal }))],
    ["readTree", async (c, signal) => buffer(await c.files.readTree("/a", { signal }))],
    ["list", async (c, signal) => (await c.files.list("/a", { signal })).toArray()],
    ["write", async (c, signal) => (await c.files.write("/a", { signal })).done],
    [
      "write that was sent completely",
      async (c, signal) => {
        const { stream, done } = await c.files.write("/a", { signal });
        stream.end("all");
        return done;
      },
    ],
  ];
  it.each(abortions)("ends a %s with the reason of its abort, within two seconds", async (_, begin) => {
    const controller = new AbortController();
    const { outcome } = await answered((c) => begin(c, controller.signal), started);
    await new Promise((resolve) => setImmediate(resolve));
    const reason = new Error("no longer wanted");
    const aborted = performance.now();
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
    expect(performance.now() - aborted).toBeLessThan(2000);
  });

  it("ends a listing with TimeoutError", async () => {
    const { client, inside } = await guest({ callTimeout: 100 });
    const listing = client.files.list("/a", {}).then((entries) => entries.toArray());
    inside.write(started);
    await expect(listing).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
  });
});

describe("a guest that is merely silent or broken", () => {
  it("cannot put line breaks or escape sequences into errors", async () => {
    const { client, inside } = await guest();
    const call = client.ping();
    const message = "no\n\u001b]0;owned\u0007\u009b2J";
    inside.write(frame(FRAME.close, 1, 0, json({ ok: false, error: { reason: "EFAIL", message } })));
    const error = await call.catch((failure: Error) => failure);
    expect(error).toMatchObject({ code: "ERR_AGENT" });
    expect((error as Error).message).toMatch(/no\ufffd\ufffd\]0;owned\ufffd\ufffd2J$/);
  });

  it("ends a call with TimeoutError, and keeps the session", async () => {
    const { client, inside } = await guest({ callTimeout: 50 });
    await expect(client.ping()).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
    // A late answer is no breach.
    inside.write(frame(FRAME.close, 1, 0, json({ ok: true })));
    const next = client.ping();
    inside.write(frame(FRAME.close, 2, 0, json({ ok: true })));
    await next;
  });

  it("ends a killed program with TimeoutError if the guest does not report the end", async () => {
    const { client, inside } = await guest({ callTimeout: 50 });
    const starting = client.exec(request(["x"]));
    inside.write(started);
    const process = await starting;
    await process.kill("SIGTERM");
    await process.kill("SIGKILL");
    await expect(process.exit).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
    if (process.streams.kind !== "pipes") throw new Error("not on pipes");
    expect(process.streams.stdout.destroyed).toBe(true);
  });

  it("ends the handshake with TimeoutError", async () => {
    const [host] = streamPair();
    const opening = connectAgent({ connect: () => host, timeout: 50 });
    await expect(opening).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
    expect(host.destroyed).toBe(true);
  });

  it("gets a hello for each greeting, but not forever", async () => {
    const [host, inside] = streamPair();
    let hellos = 0;
    const deframer = new Deframer({
      record: (kind) => {
        if (kind === "hello") hellos += 1;
        return false;
      },
      frame: () => undefined,
      data: () => undefined,
      malformed: () => undefined,
    });
    inside.on("data", (bytes) => deframer.push(bytes));
    const opening = connectAgent({ connect: () => host, timeout: 5_000 });
    inside.write(Buffer.concat(Array(1000).fill(encodeRecord("here"))));
    await expect(opening).rejects.toMatchObject(protocolError);
    expect(hellos).toBeLessThanOrEqual(65);
  });

  it("shows by a greeting during a session that it restarted", async () => {
    const { client, inside } = await guest();
    const call = client.ping();
    inside.write(encodeRecord("here"));
    await expect(call).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    expect(await client.closed).toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("loses its session with the stream", async () => {
    const { client, inside } = await guest();
    const call = client.ping();
    inside.destroy();
    await expect(call).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("may refuse the session, and only this one", async () => {
    const [host, inside] = streamPair();
    const opening = connectAgent({ connect: () => host, timeout: 5_000 });
    inside.write(encodeRecord("refuse", { token: "another", reason: "not you" }));
    inside.write(encodeRecord("refuse", { reason: "full" }));
    await expect(opening).rejects.toMatchObject({ code: "ERR_AGENT" });
  });
});

/** Mutates what a correct guest would send. */
function mutate(bytes: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(random() * copy.length);
  switch (Math.floor(random() * 5)) {
    case 0:
      copy[at] = Math.floor(random() * 256);
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy, copy]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), MARKER.subarray(0, Math.floor(random() * 17)), copy.subarray(at)]);
    default:
      return Buffer.concat([copy.subarray(at), copy.subarray(0, at)]);
  }
}

describe("fuzz", () => {
  it("ends every mutated session within its deadline, with an error of ours (seed 2024)", async () => {
    const random = seeded(2024);
    const honest = [
      started,
      frame(FRAME.data, 1, 1, Buffer.from("out")),
      frame(FRAME.data, 1, 2, Buffer.from("err")),
      frame(FRAME.window, 1, 0, Buffer.from([0, 2, 0, 0])),
      frame(FRAME.stop, 1, 0),
      frame(FRAME.message, 1, 0, json({ type: "exit", status: { kind: "exited", code: 0 } })),
      frame(FRAME.end, 1, 1),
      frame(FRAME.end, 1, 2),
      frame(FRAME.close, 1, 0, json({ ok: true })),
      frame(FRAME.close, 2, 0, json({ ok: true, result: { cpu: { seconds: 1 }, memory: { bytes: 1 } } })),
    ];
    for (let round = 0; round < 400; round += 1) {
      const { client, inside } = await guest();
      const calls = [client.exec(request(["x"])).then(({ exit }) => exit), client.metrics()];
      const settled = Promise.allSettled(calls);
      const said = honest.map((bytes) => (random() < 0.2 ? mutate(bytes, random) : bytes));
      if (random() < 0.2) said.sort(() => random() - 0.5);
      say(inside, Buffer.concat(said), random);
      // What still waits then waits for a silent guest: the end of the stream ends everything.
      inside.end();
      inside.destroy();
      for (const result of await settled) {
        if (result.status === "rejected") expect(result.reason.code).toMatch(/^ERR_(PROTOCOL|CONNECTION|AGENT)$/);
      }
      await client.closed;
    }
  }, 60_000);
});

function say(stream: Duplex, bytes: Buffer, random: () => number): void {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + Math.floor(random() * 40);
    stream.write(bytes.subarray(at, at + size));
    at += size;
  }
}
