import type { Duplex } from "node:stream";
import { Deframer } from "../../../agent/src/protocol/deframer.ts";
import { encodeFrame, FRAME, type FrameType } from "../../../agent/src/protocol/frame.ts";
import { encodeRecord, MARKER } from "../../../agent/src/protocol/record.ts";
import { streamPair } from "../../../agent/test/support/stream-pair.ts";

/** What a peer does instead of its next answer. */
export const PEER_FAULTS = ["falls silent", "closes", "lies", "floods"] as const;
export type PeerFault = (typeof PEER_FAULTS)[number];

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const STAT = { type: "file", size: 4, mode: 0o644, uid: 0, gid: 0, mtime: 0 };
const RESULTS: Readonly<Record<string, unknown>> = {
  stat: STAT,
  list: [{ ...STAT, name: "a" }],
  addresses: [],
  metrics: { cpu: { seconds: 1 }, memory: { bytes: 1 } },
  info: { kernel: "x", architecture: "x", hostname: "x", init: "x", agentMemory: 1 },
};

/** An agent that keeps to the protocol and always gives the same answers, until it is told to misbehave. */
export class ScriptedGuest {
  readonly host: Duplex;
  /** How many more answers are correct. */
  honest = Number.POSITIVE_INFINITY;
  fault: PeerFault = "falls silent";
  readonly #inside: Duplex;
  readonly #methods = new Map<number, string>();
  #flooding: NodeJS.Timeout | undefined;

  constructor() {
    const [host, inside] = streamPair();
    this.host = host;
    this.#inside = inside;
    const deframer = new Deframer({
      record: (kind, payload) => {
        if (kind !== "hello") return false;
        const { token } = JSON.parse(payload.toString());
        inside.write(encodeRecord("welcome", { token, protocol: 1, agent: "scripted", methods: [], bootId: "b" }));
        return true;
      },
      frame: (header, payload) => this.#answer(header.type, header.call, header.channel, payload),
      data: () => undefined,
      malformed: () => undefined,
    });
    inside.on("data", (chunk) => deframer.push(chunk));
    inside.on("error", () => undefined);
  }

  dispose(): void {
    clearInterval(this.#flooding);
    this.#inside.destroy();
  }

  #answer(type: FrameType, call: number, channel: number, payload: Buffer): void {
    if (type === FRAME.call) {
      const { method, argv } = JSON.parse(payload.toString()) as { method: string; argv?: string[] };
      this.#methods.set(call, method);
      if (method in RESULTS) this.#close(call, RESULTS[method]);
      else if (method === "exec") {
        this.#say(call, FRAME.message, 0, json({ type: "started" }));
        if (argv?.[0] !== "sleep") this.#exit(call);
      } else if (method === "read" || method === "readTree") {
        this.#say(call, FRAME.message, 0, json({ type: "started" }));
        this.#say(call, FRAME.data, 1, Buffer.alloc(1024));
        this.#say(call, FRAME.end, 1);
        this.#close(call);
      } else if (method === "write" || method === "writeTree") {
        this.#say(call, FRAME.message, 0, json({ type: "started" }));
      } else this.#close(call);
      return;
    }
    const method = this.#methods.get(call);
    if (method === undefined) return;
    if (type === FRAME.cancel || (type === FRAME.message && method === "exec")) this.#exit(call);
    if (type === FRAME.end && channel === 0 && method.startsWith("write")) this.#close(call);
  }

  #exit(call: number): void {
    if (this.#methods.get(call) === "exec") {
      this.#say(call, FRAME.message, 0, json({ type: "exit", status: { kind: "exited", code: 0 } }));
      this.#say(call, FRAME.end, 1);
      this.#say(call, FRAME.end, 2);
    }
    this.#close(call);
  }

  #close(call: number, result?: unknown): void {
    this.#methods.delete(call);
    this.#say(call, FRAME.close, 0, json({ ok: true, result }));
  }

  #say(call: number, type: FrameType, channel: number, payload?: Buffer): void {
    if (this.honest > 0) {
      this.honest -= 1;
      this.#inside.write(encodeFrame(type, call, channel, payload));
    } else this.#misbehave(call);
  }

  #misbehave(call: number): void {
    switch (this.fault) {
      case "falls silent":
        return;
      case "closes":
        this.#inside.destroy();
        return;
      case "lies":
        this.#inside.write(encodeFrame(FRAME.close, call, 0, json({ ok: true, result: { cpu: "much", size: -1 } })));
        return;
      case "floods":
        this.#flooding ??= setInterval(() => {
          for (let n = 0; n < 100; n++) this.#inside.write(encodeFrame(FRAME.data, call, 1, Buffer.alloc(64)));
          this.#inside.write(MARKER);
        }, 1);
        return;
      default:
        this.fault satisfies never;
    }
  }
}
