import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { PassThrough } from "node:stream";
import type { BackendProcess } from "../contract/backend-process.ts";
import type { ExitStatus } from "../terms/state.ts";
import { ProgramGroup } from "./program-group.ts";

/**
 * Wraps a program for the engine that this process has just started on three pipes, `detached` so that it leads a
 * process group. `exit` rejects when it could not be started.
 */
export function programOnPipes(child: ChildProcessWithoutNullStreams): BackendProcess {
  const group = child.pid === undefined ? undefined : new ProgramGroup(child.pid);
  // The writer to a broken pipe learns of it from the program's end.
  child.stdin.on("error", () => undefined);
  const exit = new Promise<ExitStatus>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      group?.markEnded();
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "signaled", signal });
    });
  });
  // Through our own streams: Node discards unread output of a child when the child ends.
  const [stdout, stderr] = [child.stdout.pipe(new PassThrough()), child.stderr.pipe(new PassThrough())];
  return {
    streams: { kind: "pipes", stdin: child.stdin, stdout, stderr },
    exit,
    kill: async (signal) => group?.kill(signal),
    resize: async () => undefined,
  };
}
