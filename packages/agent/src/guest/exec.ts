import { Buffer } from "node:buffer";
import { constants, hostname } from "node:os";
import { pipeline } from "node:stream";
import { type Account, killDescendants, LeftGroup, parseSignal, type UnknownAccount } from "@pileus/core/files";
import type { Call } from "../protocol/call.ts";
import type { ChannelReader } from "../protocol/channel-reader.ts";
import type { ChannelWriter } from "../protocol/channel-writer.ts";
import type { AgentMessage, CallRequest, Exit, HostMessage } from "../protocol/messages.ts";
import { UNKNOWN_ACCOUNT } from "../protocol/reasons.ts";
import type { Launcher } from "./launcher.ts";
import { oomKills } from "./oom-kills.ts";
import { findUser } from "./passwd.ts";
import { closeEnds, makePipe, openEnd, type ProgramPipe } from "./pipe.ts";
import { DEFAULT_PATH, type ProgramRequest, type Refusal, startProgram } from "./program.ts";
import { Terminal, type TerminalSize } from "./pty.ts";
import type { SystemCalls } from "./system-calls.ts";

type ExecRequest = Extract<CallRequest, { method: "exec" }>;
type ExitStatus = Exit["status"];

/** The directions of a program's standard streams. */
const DIRECTIONS = ["in", "out", "out"] as const;

/** What the agent needs to start programs. */
export interface ExecTools {
  readonly launcher: Launcher;
  readonly calls: SystemCalls;
  /** A static BusyBox, which powers off a guest whose init takes no request. */
  readonly busybox: string;
}

interface Start {
  readonly request: ProgramRequest;
  readonly user: Account;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Runs a program for a call, from its start to the end of its output. If the call ends earlier, the program and
 * everything it started are killed.
 */
export function exec(call: Call, request: ExecRequest, tools: ExecTools): void {
  const stdin = call.reader(0);
  const outputs =
    request.tty === undefined ? [call.writer(1, "nothing"), call.writer(2, "nothing")] : [call.writer(1, "nothing")];
  const start = prepare(request);
  if ("unknown" in start) {
    refuseAccount(call, request, start);
    return;
  }
  try {
    const refused =
      request.tty === undefined
        ? onPipes(call, start, tools, stdin, outputs)
        : onTerminal(call, request.tty, start, tools, stdin, outputs);
    if (refused !== undefined) refuse(call, outputs, refused);
  } catch (error) {
    refuse(call, outputs, { code: 126, reason: `cannot run ${request.argv[0]}: ${(error as Error).message}` });
  }
}

/** Closes a call that names a user or group which the guest does not have. */
export function refuseAccount(
  call: Call,
  { user }: { readonly user?: string | undefined },
  { unknown }: UnknownAccount,
) {
  const message = `no ${unknown} for ${user} in the guest's own files`;
  call.close({ ok: false, error: { reason: UNKNOWN_ACCOUNT[unknown], message } });
}

/** What a program is started with: its user, and its whole environment. */
export function prepare({
  argv,
  cwd = "/",
  env,
  tty,
  user: asked,
}: Omit<ExecRequest, "method">): Start | UnknownAccount {
  const user = findUser(asked);
  if ("unknown" in user) return user;
  const all = {
    PATH: DEFAULT_PATH,
    HOME: user.home,
    USER: user.name,
    HOSTNAME: hostname(),
    ...(tty === undefined ? {} : { TERM: "xterm-256color" }),
    ...env,
  };
  return { request: { argv, cwd, path: all.PATH }, user, env: all };
}

function onPipes(
  call: Call,
  start: Start,
  tools: ExecTools,
  stdin: ChannelReader,
  outputs: readonly ChannelWriter[],
): Refusal | undefined {
  const { calls, launcher } = tools;
  const { request, user, env } = start;
  const end = new ExecEnd(call, outputs);
  let pid: number | undefined;
  const onExit = (status: ExitStatus): void => {
    stdin.destroy();
    end.exited(status, pid);
  };
  const pipes: ProgramPipe[] = [];
  let started: { readonly pid: number } | Refusal | undefined;
  try {
    for (const direction of DIRECTIONS) pipes.push(makePipe(calls, direction, user));
    const streams = pipes.map((pipe) => pipe.theirs) as [number, number, number];
    started = startProgram(request, {
      look: (look) => calls.as(user, look),
      attempt: (file, argv) => launcher.start({ file, argv, env, cwd: request.cwd, user, streams }, onExit),
    });
  } finally {
    closeEnds(pipes, started !== undefined && "pid" in started ? ["theirs"] : ["ours", "theirs"]);
  }
  if (!("pid" in started)) return started;
  pid = started.pid;
  const [input, output, errors] = pipes.map((pipe, index) => openEnd(pipe, index === 0 ? "in" : "out"));
  const [out, err] = outputs;
  if (!input || !output || !errors || !out || !err) throw new RangeError("three pipes, two outputs");
  pipeline(stdin, input, () => undefined);
  pipeline(output, out, () => undefined);
  pipeline(errors, err, () => undefined);
  call.handlers = groupHandlers(started.pid, end, () => undefined);
  call.send({ type: "started" } satisfies AgentMessage);
  return undefined;
}

function onTerminal(
  call: Call,
  size: TerminalSize,
  start: Start,
  tools: ExecTools,
  input: ChannelReader,
  outputs: readonly ChannelWriter[],
): Refusal | undefined {
  const { calls, launcher } = tools;
  const { request, user, env } = start;
  const out = outputs[0] as ChannelWriter;
  const end = new ExecEnd(call, outputs);
  const terminals: Terminal[] = [];
  let pid: number | undefined;
  const started = startProgram(request, {
    look: (look) => calls.as(user, look),
    attempt: (file, argv) => {
      // The end of a failed attempt hangs up its terminal, so each attempt gets its own.
      const terminal = new Terminal(calls.native, size, user.uid);
      terminals.push(terminal);
      const streams = { terminal: terminal.path };
      return launcher.start({ file, argv, env, cwd: request.cwd, user, streams }, (status) => {
        input.destroy();
        end.exited(status, pid);
        terminal.drain(out);
      });
    },
  });
  const terminal = "pid" in started ? terminals.pop() : undefined;
  for (const failed of terminals) failed.close();
  if (!("pid" in started) || terminal === undefined) return started as Refusal;
  pid = started.pid;
  terminal.connect(input, out);
  call.handlers = groupHandlers(started.pid, end, (columns, rows) => terminal.resize({ columns, rows }));
  call.send({ type: "started" } satisfies AgentMessage);
  return undefined;
}

function groupHandlers(pid: number, end: ExecEnd, resize: (columns: number, rows: number) => void): Call["handlers"] {
  const send = (target: number, signal: NodeJS.Signals | number): void => {
    try {
      process.kill(target, signal);
    } catch {
      // The process has already ended.
    }
  };
  const signal = (name: string): void => {
    const number = parseSignal(name);
    if (number === undefined) return;
    if (end.status !== undefined) {
      if (end.left?.isAlive()) send(-pid, number);
      return;
    }
    // SIGKILL ends everything that the program started, in whatever session.
    if (number === constants.signals.SIGKILL) killDescendants(pid, (one) => send(one.pid, number));
    else send(-pid, number);
  };
  // Once the program has ended there is nothing to kill: the processes that it left live on.
  const kill = () => {
    if (end.status === undefined) signal("SIGKILL");
    else end.release();
  };
  return {
    message(message) {
      const said = message as HostMessage;
      if (said.type === "signal") signal(said.signal);
      else if (said.type === "resize" && end.status === undefined) resize(said.columns, said.rows);
    },
    cancelled: kill,
    failed: kill,
  };
}

/** Closes the call when the program has ended, its output was sent, and no process of its group is left. */
class ExecEnd {
  readonly #call: Call;
  readonly #killsBefore = oomKills();
  #open: number;
  #told: Exit | undefined;
  status: ExitStatus | undefined;
  /** The processes that can still be signalled after the program's end. */
  left: LeftGroup | undefined;

  constructor(call: Call, outputs: readonly ChannelWriter[]) {
    this.#call = call;
    this.#open = outputs.length;
    for (const output of outputs)
      output.once("close", () => {
        this.#open -= 1;
        this.#settle();
      });
  }

  /** `pid`: the id of the program, which leads its group. Absent if it could not be started. */
  exited(status: ExitStatus, pid?: number): void {
    this.status = status;
    if (pid !== undefined) this.left = LeftGroup.find(pid);
    this.left?.watch(() => this.release());
    const oom = status.kind === "signaled" && status.signal === "SIGKILL" && oomKills() > this.#killsBefore;
    // After what it wrote before its end: a turn of the event loop may be long where several hosts have programs started,
    // and a run() reads on for a moment only.
    afterNextPoll(() => {
      this.#told = { status, ...(oom && { oom }) };
      this.#call.send({ type: "exit", ...this.#told } satisfies AgentMessage);
      this.#settle();
    });
  }

  /** Called when the host no longer needs the remaining processes, or when none is left. */
  release(): void {
    this.left?.close();
    this.left = undefined;
    this.#settle();
  }

  #settle(): void {
    if (this.#told === undefined || this.#open > 0 || this.left !== undefined) return;
    // Of a call that was cancelled nothing else is sent.
    this.#call.close({ ok: true, result: this.#told });
  }
}

/** Calls `act` when the event loop has read what every pipe holds now: a poll comes before each run of immediates. */
export function afterNextPoll(act: () => void): void {
  setImmediate(() => setImmediate(act));
}

// Reports a program that could not be started, as a shell would.
function refuse(call: Call, outputs: readonly ChannelWriter[], { code, reason }: Refusal): void {
  const end = new ExecEnd(call, outputs);
  call.send({ type: "started" } satisfies AgentMessage);
  // A single output is a terminal, whose driver would end a line with CR LF: termios(3), ONLCR.
  outputs.at(-1)?.write(Buffer.from(`exec: ${reason}${outputs.length === 1 ? "\r\n" : "\n"}`));
  for (const output of outputs) output.end();
  end.exited({ kind: "exited", code });
}
