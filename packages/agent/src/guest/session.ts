import { parseJson } from "@pileus/core/files";
import { Deframer } from "../protocol/deframer.ts";
import type { Link } from "../protocol/link.ts";
import type { CallRequest, Hello, Welcome } from "../protocol/messages.ts";
import { Multiplexer } from "../protocol/multiplexer.ts";
import { encodeRecord, PROTOCOLS } from "../protocol/record.ts";
import { type GuestTools, methods, serveCall } from "./serve-call.ts";
import { bootId } from "./system.ts";

/** Options of {@link AgentSession}. */
export interface AgentOptions {
  readonly tools: GuestTools;
  readonly version: string;
  /** The most payload bytes of a DATA frame that the agent sends. */
  readonly dataSize: number;
}

/**
 * The agent's half of a link: at most one session at a time. A hello ends the session before it, whatever that was
 * doing, and begins the next. A session also ends when the host goes away. What ran for a session is killed with it.
 */
export class AgentSession {
  readonly #link: Link;
  readonly #options: AgentOptions;
  readonly #deframer: Deframer;
  #calls: Multiplexer | undefined;

  constructor(link: Link, options: AgentOptions) {
    this.#link = link;
    this.#options = options;
    this.#deframer = new Deframer({
      record: (kind, payload) => {
        if (kind === "hello") return this.#hello(payload.toString());
        if (kind === "bye") this.#end("the host said goodbye");
        return false;
      },
      frame: (header, payload) => this.#calls?.frame(header, payload),
      data: (header, piece, first) => this.#calls?.data(header, piece, first),
      malformed: (reason) => this.#broken(reason),
    });
  }

  /** Begins to listen. `onLost` is called when the link has ended or, for a link that can come back, has no host. */
  listen(onLost: (error?: Error) => void = () => undefined): void {
    this.#link.listen({
      data: (chunk) => this.#deframer.push(chunk),
      drain: () => this.#calls?.drain(),
      missing: () => this.#deframer.missing,
      lost: (error) => {
        this.#end("the host is gone");
        this.#deframer.seek();
        onLost(error);
      },
    });
  }

  #hello(text: string): boolean {
    this.#end("another session began");
    const hello = parseHello(text);
    if (hello === undefined) return false;
    const protocol = PROTOCOLS.find((version) => hello.protocols.includes(version));
    if (protocol === undefined) {
      const reason = `no common protocol: the agent speaks ${PROTOCOLS.join(", ")}`;
      this.#link.send([encodeRecord("refuse", { token: hello.token, reason })]);
      return false;
    }
    const { version, dataSize, tools } = this.#options;
    this.#calls = new Multiplexer({
      link: this.#link,
      side: "agent",
      dataSize,
      accept: (call, request) => serveCall(call, request as CallRequest, tools),
      over: () => tools.freed(),
      violated: (reason) => this.#broken(reason),
    });
    const welcome: Welcome = { token: hello.token, protocol, agent: version, methods: [...methods], bootId: bootId() };
    this.#link.send([encodeRecord("welcome", welcome)]);
    return true;
  }

  // The host sees a greeting in the middle of its session and so learns that the session is over.
  #broken(reason: string): void {
    this.#end(reason);
    this.#deframer.seek();
    this.#link.send([encodeRecord("here")]);
  }

  #end(reason: string): void {
    const calls = this.#calls;
    this.#calls = undefined;
    this.#link.discard();
    calls?.destroy(new Error(reason));
  }
}

function parseHello(text: string): Hello | undefined {
  try {
    const hello = parseJson(text) as Hello;
    return typeof hello.token === "string" && Array.isArray(hello.protocols) ? hello : undefined;
  } catch {
    return undefined;
  }
}
