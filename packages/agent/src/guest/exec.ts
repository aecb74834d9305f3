import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { pipeline } from "node:stream";
import { type Account, signalName, type UnknownAccount } from "@pileus/core/files";
import type { Call } from "../protocol/call.ts";
import type { ChannelReader } from "../protocol/channel-reader.ts";
import type { ChannelWriter } from "../protocol/channel-writer.ts";
import type { AgentMessage, CallRequest, HostMessage } from "../protocol/messages.ts";
import { UNKNOWN_ACCOUNT } from "../protocol/reasons.ts";
import { findUser } from "./passwd.ts";
import { closeEnds, makePipe, openEnd, type ProgramPipe } from "./pipe.ts";
import { DEFAULT_PATH, findProgram } from "./program.ts";
import type { TerminalStarter } from "./pty.ts";
import type { SystemCalls } from "./system-calls.ts";

type ExecRequest = Extract<CallRequest, { method: "exec" }>;
type ExitStatus = Extract<AgentMessage, { type: "exit" }>["status"];

/** Of a program's standard streams. */
const DIRECTIONS = ["in", "out", "out"] as const;

/** What programs are started with. */
export interface ExecTools {
  readonly terminals: TerminalStarter;
  readonly calls: SystemCalls;
  /** A static BusyBox: powers off a guest whose init cannot be asked. */
  readonly busybox: string;
}

interface Start {
  readonly file: string;
  readonly user: Account;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs a program for a call, from its start to the end of its output. Whatever ends the call kills its process group. */
export function exec(call: Call, request: ExecRequest, tools: ExecTools): void {
  const stdin = call.reader(0);
  const outputs =
    request.tty === undefined ? [call.writer(1, "nothing"), call.writer(2, "nothing")] : [call.writer(1, "nothing")];
  const start = prepare(request);
  if ("unknown" in start) {
    const message = `no ${start.unknown} for ${request.user} in the guest's own files`;
    call.close({ ok: false, error: { reason: UNKNOWN_ACCOUNT[start.unknown], message } });
    return;
  }
  if ("code" in start) {
    refuse(call, outputs, start.code, start.reason);
    return;
  }
  try {
    if (request.tty === undefined) onPipes(call, request, start, tools, stdin, outputs);
    else onTerminal(call, request, request.tty, start, tools, stdin, outputs);
  } catch (error) {
    refuse(call, outputs, 126, (error as Error).message);
  }
}

function prepare(request: ExecRequest): Start | UnknownAccount | { readonly code: number; readonly reason: string } {
  const user = findUser(request.user);
  if ("unknown" in user) return user;
  const env = {
    PATH: DEFAULT_PATH,
    HOME: user.home,
    USER: user.name,
    ...(request.tty === undefined ? {} : { TERM: "xterm-256color" }),
    ...request.env,
  };
  const cwd = request.cwd ?? "/";
  const program = findProgram(request.argv[0] ?? "", cwd, env.PATH);
  return program.kind === "failed" ? program : { file: program.file, user, cwd, env };
}

function onPipes(
  call: Call,
  request: ExecRequest,
  start: Start,
  tools: ExecTools,
  stdin: ChannelReader,
  outputs: readonly ChannelWriter[],
): void {
  const pipes: ProgramPipe[] = [];
  let child: ChildProcess;
  try {
    for (const direction of DIRECTIONS) pipes.push(makePipe(tools.calls, direction, start.user));
    child = spawnProgram(request.argv, start, tools, pipes);
  } catch (error) {
    closeEnds(pipes, ["ours", "theirs"]);
    throw error;
  }
  closeEnds(pipes, ["theirs"]);
  child.once("error", (error: NodeJS.ErrnoException) => {
    const code = error.code === "ENOENT" ? 127 : 126;
    refuse(call, outputs, code, `${request.argv[0]}: ${error.code ?? error.message}`);
  });
  // Node tells a failed start a moment after spawn() returned, but has no pid then.
  if (child.pid === undefined) {
    closeEnds(pipes, ["ours"]);
    return;
  }
  const end = new ExecEnd(call, outputs);
  child.once("exit", (code, signal) => {
    stdin.destroy();
    end.exited(signal === null ? { kind: "exited", code: code ?? 255 } : { kind: "signaled", signal });
  });
  const [input, output, errors] = pipes.map((pipe, index) => openEnd(pipe, index === 0 ? "in" : "out"));
  const [out, err] = outputs;
  if (!input || !output || !errors || !out || !err) throw new RangeError("three pipes, two outputs");
  pipeline(stdin, input, () => undefined);
  pipeline(output, out, () => undefined);
  pipeline(errors, err, () => undefined);
  call.handlers = groupHandlers(child.pid, end, () => undefined);
  call.send({ type: "started" } satisfies AgentMessage);
}

function spawnProgram(
  argv: readonly string[],
  start: Start,
  tools: ExecTools,
  pipes: readonly ProgramPipe[],
): ChildProcess {
  const { file, user, cwd, env } = start;
  const stdio = pipes.map((pipe) => pipe.theirs);
  // Its own session: signals reach the whole group, and no terminal of ours does.
  return tools.calls.as(user, () => spawn(file, argv.slice(1), { argv0: argv[0], cwd, env, detached: true, stdio }));
}

function onTerminal(
  call: Call,
  request: ExecRequest,
  size: { readonly columns: number; readonly rows: number },
  start: Start,
  tools: ExecTools,
  input: ChannelReader,
  outputs: readonly ChannelWriter[],
): void {
  const out = outputs[0] as ChannelWriter;
  const end = new ExecEnd(call, outputs);
  const terminal = tools.terminals.start({
    file: start.file,
    args: request.argv.slice(1),
    env: start.env,
    cwd: start.cwd,
    ...size,
    user: start.user,
    onExit: (code, signal) => {
      input.destroy();
      end.exited(signal === 0 ? { kind: "exited", code } : { kind: "signaled", signal: signalName(signal) });
      terminal.drain(out);
    },
  });
  terminal.connect(input, out);
  call.handlers = groupHandlers(terminal.pid, end, (width, height) => terminal.resize(width, height));
  call.send({ type: "started" } satisfies AgentMessage);
}

function groupHandlers(pid: number, end: ExecEnd, resize: (columns: number, rows: number) => void): Call["handlers"] {
  const signal = (name: NodeJS.Signals): void => {
    if (end.status !== undefined) return;
    try {
      process.kill(-pid, name);
    } catch {
      // Gone already, or a name that this system does not have: nothing to reach.
    }
  };
  const kill = () => signal("SIGKILL");
  return {
    message(message) {
      const said = message as HostMessage;
      if (said.type === "signal") signal(said.signal);
      else if (end.status === undefined) resize(said.columns, said.rows);
    },
    cancelled: kill,
    failed: kill,
  };
}

/** Closes the call when the program has ended and its output has left. */
class ExecEnd {
  readonly #call: Call;
  #open: number;
  status: ExitStatus | undefined;

  constructor(call: Call, outputs: readonly ChannelWriter[]) {
    this.#call = call;
    this.#open = outputs.length;
    for (const output of outputs)
      output.once("close", () => {
        this.#open -= 1;
        this.#settle();
      });
  }

  exited(status: ExitStatus): void {
    this.status = status;
    this.#call.send({ type: "exit", status } satisfies AgentMessage);
    this.#settle();
  }

  #settle(): void {
    if (this.status !== undefined && this.#open === 0) this.#call.close({ ok: true });
  }
}

// A program that could not be started, as a shell would tell it.
function refuse(call: Call, outputs: readonly ChannelWriter[], code: number, reason: string): void {
  const end = new ExecEnd(call, outputs);
  call.send({ type: "started" } satisfies AgentMessage);
  outputs.at(-1)?.write(Buffer.from(`pileus: ${reason}\n`));
  for (const output of outputs) output.end();
  end.exited({ kind: "exited", code });
}
