import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  AgentError,
  ConfigError,
  ConnectionError,
  FileError,
  HostError,
  NotFoundError,
  ProtocolError,
  parseJson,
  unknownAccount,
  wording,
} from "@pileus/core/driver";
import type { z } from "zod";
import type { Call } from "../protocol/call.ts";
import { Deframer } from "../protocol/deframer.ts";
import { MAX_CALL, MAX_CALLS, MAX_DATA } from "../protocol/frame.ts";
import type { Link } from "../protocol/link.ts";
import {
  type AgentMessage,
  AgentMessageSchema,
  type CallRequest,
  type Failure,
  type Hello,
  OutcomeSchema,
  RefuseSchema,
  type Welcome,
  WelcomeSchema,
} from "../protocol/messages.ts";
import { MAX_BACKLOG, Multiplexer } from "../protocol/multiplexer.ts";
import { BUSY, FULL, UNKNOWN_ACCOUNT } from "../protocol/reasons.ts";
import { encodeRecord, PROTOCOLS, type RecordKind } from "../protocol/record.ts";
import { within } from "./deadline.ts";
import { deferred } from "./deferred.ts";

const PEER = "the guest agent";

// The host answers each greeting with a hello. A guest that boots greets once; a guest that never stops greeting is
// hostile.
const MAX_GREETINGS = 64;

/** A call under way, as the client's operations see it. */
export interface Begun {
  readonly call: Call;
  /** Resolves when the program runs or the file is open. Rejects like `outcome` if that rejects first. */
  readonly started: Promise<void>;
  /** The result with which the agent closed the call. */
  readonly outcome: Promise<Result>;
}

/** What a successful call returned: the unchecked value, and its bytes on the wire. */
export interface Result {
  readonly value: unknown;
  readonly payload: Buffer;
}

/**
 * The host's half of a link: one handshake, then one session until it breaks. Everything that arrives is checked
 * against the protocol. A breach ends the session, and every call in it, with {@link ProtocolError}.
 */
export class HostSession {
  /** Called whenever the last call under way has ended. */
  onIdle: () => void = () => undefined;
  readonly #closed = deferred<Error | undefined>();
  readonly #welcome = deferred<Welcome>();
  readonly #link: Link;
  readonly #deframer: Deframer;
  readonly #calls: Multiplexer;
  #token = "";
  #greetings = 0;
  #state: "greeting" | "open" | "closed" = "greeting";

  constructor(link: Link) {
    this.#link = link;
    this.#calls = new Multiplexer({
      link,
      side: "host",
      dataSize: MAX_DATA,
      idle: () => this.onIdle(),
      violated: (reason, received) => this.#violated(reason, received),
    });
    this.#deframer = new Deframer({
      calls: false,
      record: (kind, payload) => this.#record(kind, payload),
      frame: (header, payload) => this.#calls.frame(header, payload),
      data: (header, piece, first) => this.#calls.data(header, piece, first),
      malformed: (reason, received) => {
        // Before the welcome, these are bytes that a dead session has left in the pipe.
        if (this.#state === "open") this.#violated(reason, received);
      },
    });
    link.listen({
      data: (chunk) => this.#deframer.push(chunk),
      drain: () => this.#calls.drain(),
      missing: () => this.#deframer.missing,
      lost: (error) => {
        const why = error === undefined ? "it closed" : error.message;
        this.#end(new ConnectionError(PEER, why, { cause: error }));
      },
    });
    this.#hello();
  }

  /** Whether a call is under way. */
  get busy(): boolean {
    return this.#calls.size > 0;
  }

  /** Resolves when the session is over: with the reason, or with nothing after `close()`. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /** Resolves with the agent's welcome when the session is open. */
  get welcome(): Promise<Welcome> {
    return this.#welcome.promise;
  }

  /** Ends the session: what runs for it in the guest is killed. Idempotent. */
  close(): void {
    if (this.#state === "closed") return;
    this.#link.send([encodeRecord("bye")]);
    this.#end(undefined);
  }

  /** Begins a call. `prepare` makes its channels. @throws {ConfigError} for a request that is too large */
  begin(request: CallRequest, prepare: (call: Call) => void = () => undefined): Begun {
    if (this.#state !== "open") throw new ConnectionError(PEER, "the session is over");
    if (this.#calls.size >= MAX_CALLS)
      throw new AgentError(`${MAX_CALLS} calls are already running: wait for some to end`, BUSY);
    const payload = Buffer.from(JSON.stringify(request));
    if (payload.length > MAX_CALL) {
      const message = `${payload.length} bytes of arguments and environment, but the limit is ${MAX_CALL}`;
      throw new ConfigError(`${request.method} request`, [{ path: [], message }]);
    }
    const started = deferred<void>();
    if (this.#calls.backlog + payload.length > MAX_BACKLOG - MAX_CALL)
      throw new AgentError(
        `the guest agent has not read ${this.#calls.backlog} bytes of calls yet: wait for some to end`,
        BUSY,
      );
    // An outcome may arrive after its call was abandoned.
    const outcome = deferred<Result>();
    const fail = (error: Error): Error => {
      started.reject(error);
      outcome.reject(error);
      return error;
    };
    const call = this.#calls.open(payload, (made) => {
      prepare(made);
      const { message } = made.handlers;
      made.handlers = {
        message: (said, payload) => {
          const parsed = AgentMessageSchema.safeParse(said);
          if (!parsed.success) {
            this.#violated("a message of unknown shape", payload);
            return;
          }
          if (parsed.data.type === "started") started.resolve();
          message?.(parsed.data satisfies AgentMessage, payload);
        },
        closed: (said, payload) => {
          const parsed = OutcomeSchema.safeParse(said);
          if (!parsed.success) return this.#violated("an outcome of unknown shape", payload);
          if (!parsed.data.ok) return fail(callError(request, parsed.data.error));
          // Only a program may end before it has read all its input.
          const whole = made.received && (request.method === "exec" || made.sent);
          if (!whole && !made.cancelled) return fail(cutShort(request, payload));
          started.resolve();
          outcome.resolve({ value: parsed.data.result, payload });
          return undefined;
        },
        failed: fail,
      };
    });
    return { call, started: started.promise, outcome: outcome.promise };
  }

  /** Makes a call without channels and returns its result, parsed. */
  async ask<T>(
    request: CallRequest,
    schema: z.ZodType<T>,
    limits: { readonly signal?: AbortSignal | undefined; readonly timeout: number },
  ): Promise<T> {
    limits.signal?.throwIfAborted();
    const { call, outcome } = this.begin(request);
    const { value, payload } = await within(outcome, `${request.method} of ${PEER}`, limits, () => call.cancel());
    return this.checked(schema, value, payload);
  }

  /** Checks a value from the guest by the schema. A value of another shape ends the session. @throws {ProtocolError} */
  checked<T>(schema: z.ZodType<T>, value: unknown, received: Buffer): T {
    const parsed = schema.safeParse(value, { error: wording });
    if (parsed.success) return parsed.data;
    throw this.#violated(`a result of unknown shape: ${parsed.error.issues[0]?.message}`, received);
  }

  #hello(): void {
    // A new token for each hello: the agent answers every hello, and only the answer to the last one counts.
    this.#token = randomBytes(16).toString("hex");
    const hello: Hello = { token: this.#token, protocols: [...PROTOCOLS] };
    this.#link.send([encodeRecord("hello", hello)]);
  }

  /** Whether frames may follow the record. */
  #record(kind: RecordKind, payload: Buffer): boolean {
    if (this.#state === "open") return this.#recordWhileOpen(kind);
    if (this.#state === "closed") return false;
    if (kind === "here") {
      this.#greetings += 1;
      if (this.#greetings > MAX_GREETINGS) this.#violated("too many greetings", payload);
      else this.#hello();
    } else if (kind === "refuse") this.#refused(jsonOf(payload));
    else if (kind === "welcome") return this.#welcomed(payload);
    return false;
  }

  #recordWhileOpen(kind: RecordKind): false {
    if (kind === "here") this.#end(new ConnectionError(PEER, "it restarted, or gave up the session"));
    else this.#violated(`a ${kind} record within a session`, Buffer.alloc(0));
    return false;
  }

  #welcomed(payload: Buffer): boolean {
    const parsed = WelcomeSchema.safeParse(jsonOf(payload));
    // This belongs to another host's session, before our hello.
    if (!parsed.success || parsed.data.token !== this.#token) return false;
    if (!PROTOCOLS.includes(parsed.data.protocol)) {
      this.#violated(`protocol ${parsed.data.protocol}, which this host did not offer`, payload);
      return false;
    }
    this.#state = "open";
    this.#welcome.resolve(parsed.data);
    return true;
  }

  #refused(said: unknown): void {
    const parsed = RefuseSchema.safeParse(said);
    if (!parsed.success || (parsed.data.token !== undefined && parsed.data.token !== this.#token)) return;
    this.#end(new AgentError(`the guest agent refused the session: ${parsed.data.reason}`, BUSY));
  }

  #violated(reason: string, received: Buffer): Error {
    const error = new ProtocolError(`the guest agent broke its protocol: ${reason}`, received.toString("latin1"));
    this.#end(error);
    return error;
  }

  #end(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    const reason = error ?? new ConnectionError(PEER, "this client was closed");
    this.#deframer.seek();
    this.#welcome.reject(reason);
    this.#calls.destroy(reason);
    this.#link.close();
    this.#closed.resolve(error);
  }
}

function cutShort({ method }: CallRequest, payload: Buffer): ProtocolError {
  const message = `the guest agent broke its protocol: it closed ${method} before its streams had ended`;
  return new ProtocolError(message, payload.toString("latin1"));
}

/**
 * Turns a failure that the guest reports into an error of the contract. The verb is the host's, and so is the path,
 * unless the failed file is below it.
 */
function callError(request: CallRequest, said: Failure): Error {
  if (request.method === "exec" || request.method === "detach") {
    for (const unknown of ["user", "group"] as const)
      if (said.reason === UNKNOWN_ACCOUNT[unknown]) return unknownAccount({ unknown }, request.user);
  }
  if ("id" in request && said.reason === "ESRCH") return new NotFoundError("process", request.id);
  if (request.method === "detach" && said.reason === FULL) return tooManyPrograms();
  if ("path" in request && /^E[A-Z0-9]{2,}$/.test(said.reason) && said.reason !== "EFAIL")
    return fileError(request, said);
  return new AgentError(`the guest agent could not do ${request.method}: ${said.message}`, said.reason);
}

function tooManyPrograms(): HostError {
  const reason = "as many detached programs run as one guest keeps, or their arguments are too long together";
  const fix = "end some of them: processes() lists them, and attach(id) gives their kill()";
  return new HostError("start a detached program", [{ need: "detached programs", reason, fix }]);
}

const TREE_VERBS: Readonly<Record<string, string>> = { readTree: "read", writeTree: "write" };

function fileError(request: CallRequest & { readonly path: string }, { reason, path, detail }: Failure): FileError {
  const below = request.path.endsWith("/") ? request.path : `${request.path}/`;
  return new FileError({
    verb: TREE_VERBS[request.method] ?? request.method,
    path: path?.startsWith(below) ? path : request.path,
    errno: reason,
    ...(detail === undefined ? {} : { detail }),
  });
}

function jsonOf(payload: Buffer): unknown {
  try {
    return parseJson(payload.toString());
  } catch {
    return undefined;
  }
}
