import type { BackendProcess } from "../../contract/backend-process.ts";
import type { FileOperations } from "../../contract/files.ts";
import type { AnyRunning } from "../run/run.ts";

/** Ends a run that began after the engine had stopped waiting for its launch. */
export function killLate(running: AnyRunning): void {
  running.exited.catch(() => undefined);
  running.kill().catch(() => undefined);
}

/** Lets go of a run that was found after the engine had stopped waiting for it. */
export function detachLate(running: AnyRunning | undefined): void {
  running?.detach().catch(() => undefined);
}

/** Kills a program that started after the abort. */
export function endLate({ streams, exit, kill }: BackendProcess): void {
  exit.catch(() => undefined);
  kill("SIGKILL").catch(() => undefined);
  const all = streams.kind === "tty" ? [streams.tty] : [streams.stdin, streams.stdout, streams.stderr];
  for (const stream of all) destroy(stream);
}

/** Closes a stream that nobody gets. */
export function destroy(stream: { destroy(): unknown; on(event: "error", listener: () => void): unknown }): void {
  stream.on("error", () => undefined);
  stream.destroy();
}

/** Closes the stream of a receiver that nobody gets. */
export function destroyReceiver({ stream, done }: Awaited<ReturnType<FileOperations["write"]>>): void {
  done.catch(() => undefined);
  destroy(stream);
}
