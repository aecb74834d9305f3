import { Buffer } from "node:buffer";
import { constants } from "node:os";
import { pipeline, Readable } from "node:stream";
import { DETACHED_KEPT, killDescendants, parseSignal } from "@pileus/core/files";
import type { Call } from "../protocol/call.ts";
import { MAX_CALL } from "../protocol/frame.ts";
import type { AgentMessage, CallRequest, Exit, HostMessage } from "../protocol/messages.ts";
import { FULL } from "../protocol/reasons.ts";
import { afterNextPoll, type ExecTools, prepare, refuseAccount } from "./exec.ts";
import { failure } from "./failure.ts";
import type { HostTime } from "./host-time.ts";
import { KeptOutput } from "./kept-output.ts";
import { closeEnds, makePipe, openEnd, type ProgramPipe } from "./pipe.ts";
import { startProgram } from "./program.ts";

/** How many bytes the list of all may have: arguments may be as long as a call. */
const MAX_LIST = MAX_CALL;
const STARTED: AgentMessage = { type: "started" };

type Asked<M extends CallRequest["method"]> = Extract<CallRequest, { method: M }>;

/** What a host gets of a program on record. Times are the host's, in milliseconds since 1970. */
interface Info {
  readonly id: string;
  readonly argv: readonly string[];
  readonly startedAt: number;
  readonly exit?: Exit["status"];
  readonly endedAt?: number;
}

/** What programs that no host holds need. */
export interface DetachedTools extends ExecTools {
  readonly hostTime: HostTime;
  /** Called when what a program had open has been closed. */
  readonly freed: () => void;
}

interface Program {
  info: Info;
  /** Bytes of its line in the list, about. */
  readonly size: number;
  /** By {@link HostTime}. */
  readonly began: number;
  readonly output: KeptOutput;
  /** Of the hosts that wait for its end. */
  readonly waiting: Set<Call>;
  /** While it runs. */
  pid: number | undefined;
  /** Whether it is on record: the host knows of the start. */
  isKept: boolean;
}

/**
 * Programs that no host holds: they go on when every session is over, and every session can list them, read them, signal
 * them and wait for their ends. They are forgotten with the agent.
 */
export class DetachedPrograms {
  readonly #tools: DetachedTools;
  readonly #programs = new Map<string, Program>();

  constructor(tools: DetachedTools) {
    this.#tools = tools;
  }

  /**
   * Starts a program. It is killed, and on no list, unless the host says that it knows of the start: it may have ended
   * meanwhile.
   */
  start(call: Call, request: Asked<"detach">): void {
    const start = prepare(request);
    if ("unknown" in start) {
      refuseAccount(call, request, start);
      return;
    }
    const { id, argv, at } = request;
    const { hostTime } = this.#tools;
    hostTime.tell(at);
    const info = { id, argv, startedAt: at };
    const size = Buffer.byteLength(JSON.stringify(info));
    if (!this.#makeRoomFor(size)) {
      call.close({ ok: false, error: { reason: FULL, message: "too many run" } });
      return;
    }
    const program: Program = {
      info,
      size,
      began: hostTime.now(),
      output: new KeptOutput(),
      waiting: new Set(),
      pid: undefined,
      isKept: false,
    };
    this.#programs.set(id, program);
    const giveUp = () => {
      signalTo(program, constants.signals.SIGKILL);
      this.#programs.delete(id);
    };
    call.handlers = {
      message: (said) => {
        if ((said as HostMessage).type !== "keep") return;
        program.isKept = true;
        call.close({ ok: true });
      },
      cancelled: () => {
        giveUp();
        call.close({ ok: true });
      },
      failed: giveUp,
    };
    try {
      this.#launch(program, start);
    } catch (error) {
      giveUp();
      throw error;
    }
    call.send(STARTED);
  }

  /** One line of JSON for each program, the oldest first. */
  list(call: Call): void {
    this.#forget();
    const infos = this.#kept().map(({ info }) => info);
    infos.sort((one, other) => one.startedAt - other.startedAt || (one.id < other.id ? -1 : 1));
    send(call, Readable.from(infos.map((info) => Buffer.from(`${JSON.stringify(info)}\n`))));
  }

  /** What it has printed, in the form of protocol/output-chunk.ts. */
  attach(call: Call, { id, offset, follow }: Asked<"attach">): void {
    const program = this.#find(call, id);
    if (program === undefined) return;
    const reader = new AbortController();
    const leave = () => reader.abort();
    call.handlers = { cancelled: leave, failed: leave };
    const pieces = program.output.read(offset, follow, reader.signal);
    send(call, Readable.from(pieces, { objectMode: false }), leave);
  }

  /** Closes the call with how the program ended, when it has. */
  wait(call: Call, { id }: Asked<"wait">): void {
    const program = this.#find(call, id);
    if (program === undefined) return;
    const { exit } = program.info;
    if (exit !== undefined) {
      call.close({ ok: true, result: { status: exit } });
      return;
    }
    const leave = () => program.waiting.delete(call);
    call.handlers = {
      cancelled: () => {
        leave();
        call.close({ ok: true });
      },
      failed: leave,
    };
    program.waiting.add(call);
  }

  /** Signals its group; SIGKILL goes to everything that it started. Nothing, if it has ended. */
  signal(call: Call, { id, signal }: Asked<"signal">): void {
    const program = this.#find(call, id);
    if (program === undefined) return;
    signalTo(program, parseSignal(signal) ?? 0);
    call.close({ ok: true });
  }

  #launch(program: Program, { request, user, env }: Exclude<ReturnType<typeof prepare>, { unknown: unknown }>): void {
    const { calls, launcher } = this.#tools;
    const pipes: ProgramPipe[] = [];
    let started: ReturnType<typeof startProgram> | undefined;
    let close = () => {};
    const onExit = (status: Exit["status"]) => {
      // Its number may be another's from now on.
      program.pid = undefined;
      // After what it has printed; what its background programs print later nobody reads.
      afterNextPoll(() => {
        close();
        this.#end(program, status);
        this.#tools.freed();
      });
    };
    try {
      for (const _ of [1, 2]) pipes.push(makePipe(calls, "out", user));
      const streams = ["ignore", ...pipes.map((pipe) => pipe.theirs)] as const;
      started = startProgram(request, {
        look: (look) => calls.as(user, look),
        attempt: (file, argv) => launcher.start({ file, argv, env, cwd: request.cwd, user, streams }, onExit),
      });
    } catch (error) {
      started = { code: 126, reason: `cannot run ${request.argv[0]}: ${(error as Error).message}` };
    } finally {
      closeEnds(pipes, started !== undefined && "pid" in started ? ["theirs"] : ["ours", "theirs"]);
    }
    if (!("pid" in started)) {
      program.output.add(2, Buffer.from(`exec: ${started.reason}\n`));
      this.#end(program, { kind: "exited", code: started.code });
      return;
    }
    program.pid = started.pid;
    const ends = pipes.map((pipe) => openEnd(pipe, "out"));
    close = () => {
      for (const end of ends) end.destroy();
    };
    for (const [index, end] of ends.entries()) {
      end.on("data", (bytes: Buffer) => program.output.add(index === 0 ? 1 : 2, bytes));
      // Its end is all that matters.
      end.on("error", () => undefined);
    }
  }

  #end(program: Program, exit: Exit["status"]): void {
    const endedAt = Math.round(program.info.startedAt + this.#tools.hostTime.now() - program.began);
    program.info = { ...program.info, exit, endedAt };
    program.output.end();
    for (const call of program.waiting) call.close({ ok: true, result: { status: exit } });
    program.waiting.clear();
  }

  #find(call: Call, id: string): Program | undefined {
    this.#forget();
    const program = this.#kept().find(({ info }) => info.id === id);
    const unknown = Object.assign(new Error("no such program is on record"), { code: "ESRCH" });
    if (program === undefined) call.close({ ok: false, error: failure(unknown) });
    return program;
  }

  #kept(): readonly Program[] {
    return [...this.#programs.values()].filter(({ isKept }) => isKept);
  }

  #forget(): void {
    const now = this.#tools.hostTime.now();
    for (const [id, { info, began }] of this.#programs)
      if (info.endedAt !== undefined && now - began - (info.endedAt - info.startedAt) > DETACHED_KEPT.time)
        this.#programs.delete(id);
  }

  /** Forgets the programs that ended first until there is room for another. False if all of them still run. */
  #makeRoomFor(size: number): boolean {
    this.#forget();
    const over = this.#kept().filter(({ info }) => info.endedAt !== undefined);
    over.sort((one, other) => Number(one.info.endedAt) - Number(other.info.endedAt));
    let count = this.#programs.size;
    let total = size;
    for (const known of this.#programs.values()) total += known.size;
    const forgotten: Program[] = [];
    while (count >= DETACHED_KEPT.programs || (total > MAX_LIST && count > 0)) {
      const first = over.shift();
      if (first === undefined) return false;
      forgotten.push(first);
      count -= 1;
      total -= first.size;
    }
    for (const { info } of forgotten) this.#programs.delete(info.id);
    return true;
  }
}

function signalTo({ pid }: Program, number: number): void {
  if (pid === undefined) return;
  const send = (target: number) => {
    try {
      process.kill(target, number);
    } catch {
      // The process has already ended.
    }
  };
  if (number === constants.signals.SIGKILL) killDescendants(pid, (one) => send(one.pid));
  else send(-pid);
}

/** Streams bytes out of the guest. `over` is called when no more of them are wanted. */
function send(call: Call, source: Readable, over = () => {}): void {
  const out = call.writer(1, "nothing");
  call.send(STARTED);
  pipeline(source, out, (error) => {
    over();
    call.close(error ? { ok: false, error: failure(error) } : { ok: true });
  });
}
