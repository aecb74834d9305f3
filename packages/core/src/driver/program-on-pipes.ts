import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { PassThrough } from "node:stream";
import type { ExitStatus } from "../contract/state.ts";
import type { BackendProcess } from "./process.ts";
import { ProgramGroup } from "./program-group.ts";

/**
 * A program that this process has just started on three pipes, `detached` so that it leads a process group: as a driver
 * hands it over. `exit` rejects where it could not be started.
 */
export function programOnPipes(child: ChildProcessWithoutNullStreams): BackendProcess {
  const group = child.pid === undefined ? undefined : new ProgramGroup(child.pid);
  // The writer to a broken pipe is told by the program's end.
  child.stdin.on("error", () => undefined);
  const exit = new Promise<ExitStatus>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      group?.markEnded();
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "signaled", signal });
    });
  });
  // Through streams of ours: Node throws away what a child left unread at its end.
  const [stdout, stderr] = [child.stdout.pipe(new PassThrough()), child.stderr.pipe(new PassThrough())];
  return {
    streams: { kind: "pipes", stdin: child.stdin, stdout, stderr },
    exit,
    kill: async (signal) => group?.kill(signal),
    resize: async () => undefined,
  };
}
