import type { ExitStatus, TerminalSize } from "@pileus/core";
import { type BackendProcess, ConnectionError, type ExecRequest } from "@pileus/core/driver";
import type { Call } from "../protocol/call.ts";
import { type AgentMessage, type CallRequest, type Exit, ExitSchema, type HostMessage } from "../protocol/messages.ts";
import { type Limits, within } from "./deadline.ts";
import { deferred } from "./deferred.ts";
import type { HostSession } from "./host-session.ts";
import { TerminalStream } from "./terminal-stream.ts";

/** Starts a program in the guest. An abort before this returns kills the program. */
export async function startProcess(
  session: HostSession,
  request: ExecRequest,
  limits: Limits,
): Promise<BackendProcess> {
  limits.signal?.throwIfAborted();
  // The streams of a lost session report the loss as well.
  const exit = deferred<ExitStatus>();
  let streams: BackendProcess["streams"] | undefined;
  let oom = false;
  const { argv, env, cwd, user, tty } = request;
  const asked: CallRequest = { method: "exec", argv, env, cwd, user, tty };
  const end = (how: Exit) => {
    oom ||= how.oom ?? false;
    exit.resolve(how.status as ExitStatus);
  };
  const { call, started, outcome } = session.begin(asked, (made) => {
    streams = makeStreams(made, request.tty !== undefined);
    made.handlers = {
      message: (said) => {
        const message = said as AgentMessage;
        if (message.type === "exit") end(message);
      },
    };
  });
  outcome.then(({ value }) => {
    const parsed = ExitSchema.safeParse(value);
    if (parsed.success) end(parsed.data);
    else exit.reject(new ConnectionError("the guest agent", "it closed a program without an exit status"));
  }, exit.reject);
  await within(started, `start of ${request.argv[0]} in the guest`, limits, () => call.cancel());
  return {
    streams: streams as BackendProcess["streams"],
    exit: exit.promise,
    async kill(signal) {
      call.send({ type: "signal", signal } satisfies HostMessage);
      if (signal !== "SIGKILL") return;
      // No program survives SIGKILL: if the guest does not report the end, the wait lasts no longer than for any other
      // answer.
      const { timeout } = limits;
      within(exit.promise, `end of ${request.argv[0]} in the guest`, { timeout }, () => call.cancel()).catch(
        exit.reject,
      );
    },
    ranOutOfMemory: async () => oom,
    release: () => call.cancel(),
    async resize(size: TerminalSize) {
      call.send({ type: "resize", columns: size.columns, rows: size.rows } satisfies HostMessage);
    },
  };
}

function makeStreams(call: Call, terminal: boolean): BackendProcess["streams"] {
  const stdin = call.writer(0, "end");
  const stdout = call.reader(1);
  if (terminal) return { kind: "tty", tty: new TerminalStream(stdin, stdout) };
  return { kind: "pipes", stdin, stdout, stderr: call.reader(2) };
}
