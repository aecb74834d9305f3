import type { LocalFiles } from "@pileus/core/files";
import type { Call } from "../protocol/call.ts";
import type { CallRequest, Method } from "../protocol/messages.ts";
import { advanceClock } from "./clock.ts";
import type { DetachedPrograms, DetachedTools } from "./detached.ts";
import { exec } from "./exec.ts";
import { failure } from "./failure.ts";
import { answer, fileCall } from "./file-calls.ts";
import { power } from "./power.ts";
import { addresses, info, metrics } from "./system.ts";

/** What the agent serves calls with: the tools for programs, those that no host holds, and the files of the whole guest. */
export interface GuestTools extends DetachedTools {
  readonly detached: DetachedPrograms;
  readonly files: LocalFiles;
}

// A record, so that a missing method does not compile.
const METHODS: Readonly<Record<Method, true>> = {
  exec: true,
  detach: true,
  programs: true,
  attach: true,
  wait: true,
  signal: true,
  read: true,
  write: true,
  stat: true,
  list: true,
  mkdir: true,
  remove: true,
  readTree: true,
  writeTree: true,
  ping: true,
  addresses: true,
  metrics: true,
  info: true,
  clock: true,
  power: true,
};

/** The methods of this agent. */
export const methods = Object.keys(METHODS) as readonly Method[];

/** Serves one call. Makes the call's readers before it returns. */
export function serveCall(call: Call, request: CallRequest, tools: GuestTools): void {
  try {
    route(call, request, tools);
  } catch (error) {
    call.close({ ok: false, error: failure(error) });
  }
}

function route(call: Call, request: CallRequest, tools: GuestTools): void {
  switch (request.method) {
    case "exec":
      exec(call, request, tools);
      return;
    case "detach":
      tools.detached.start(call, request);
      return;
    case "programs":
      tools.detached.list(call);
      return;
    case "attach":
      tools.detached.attach(call, request);
      return;
    case "wait":
      tools.detached.wait(call, request);
      return;
    case "signal":
      tools.detached.signal(call, request);
      return;
    case "ping":
      call.close({ ok: true });
      return;
    case "addresses":
      call.close({ ok: true, result: addresses() });
      return;
    case "metrics":
      call.close({ ok: true, result: metrics() });
      return;
    case "info":
      call.close({ ok: true, result: info() });
      return;
    case "clock":
      tools.hostTime.tell(request.time);
      advanceClock(request.time, tools.calls);
      call.close({ ok: true });
      return;
    case "power":
      answer(call, power(request.action, tools.busybox));
      return;
    case "read":
    case "write":
    case "stat":
    case "list":
    case "mkdir":
    case "remove":
    case "readTree":
    case "writeTree":
      fileCall(call, request, tools.files);
      return;
    default: {
      const { method } = request as { readonly method: string };
      call.close({ ok: false, error: { reason: "ENOSYS", message: `this agent has no method ${method}` } });
      request satisfies never;
    }
  }
}
