import { once } from "node:events";
import { lstatSync, watch } from "node:fs";
import type { Readable } from "node:stream";
import { type Abortable, ConnectionError } from "@pileus/core";
import type { BackendProcess, ExecRequest } from "@pileus/core/driver";
import type { TreeAccess } from "@pileus/core/files";

/** What is needed to wait for the systemd of a container. */
export interface BootingSystem {
  readonly name: string;
  readonly access: TreeAccess;
  exec(request: ExecRequest, options: Abortable): Promise<BackendProcess>;
}

/** What `is-system-running` prints for a system that has booted: systemctl(1). With a failed unit it is `degraded`. */
const UP = ["running", "degraded", "maintenance"];

const MAX_ANSWER = 4096;

/** Resolves when systemd has finished its boot. */
export async function waitForSystemd(system: BootingSystem, options: Abortable): Promise<void> {
  // Every systemctl command fails before the manager listens.
  await waitForEntry(system.access, "/run", "systemd", options);
  await waitForEntry(system.access, "/run/systemd", "private", options);
  const argv = ["systemctl", "is-system-running", "--wait"];
  const program = await system.exec({ argv, env: {}, cwd: "/", user: undefined, tty: undefined }, options);
  const abort = () => {
    // If it cannot be signalled, it or its connection has ended.
    program.kill("SIGKILL").catch(() => undefined);
    // It may not obey: the container provides the program named systemctl.
    if (program.streams.kind === "pipes")
      for (const end of [program.streams.stdout, program.streams.stderr]) end.destroy();
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    if (program.streams.kind !== "pipes") throw new TypeError("asked for pipes");
    const { stdin, stdout, stderr } = program.streams;
    stdin.end();
    const [state, complaint] = await Promise.all([shortText(stdout), shortText(stderr)]);
    options.signal?.throwIfAborted();
    if (!UP.includes(state.trim())) {
      throw new ConnectionError(`systemd in "${system.name}"`, `it is "${state.trim()}" ${complaint.trim()}`);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    abort();
    options.signal?.removeEventListener("abort", abort);
  }
}

/** The output of a program of the container, up to the length of an honest answer. */
async function shortText(stream: Readable): Promise<string> {
  let printed = "";
  for await (const chunk of stream) {
    printed += String(chunk);
    if (printed.length > MAX_ANSWER) break;
  }
  return printed.slice(0, MAX_ANSWER);
}

/** Resolves when `folder` has an entry `name`, by inotify(7) on the folder as the container sees it. */
async function waitForEntry(access: TreeAccess, folder: string, name: string, options: Abortable): Promise<void> {
  options.signal?.throwIfAborted();
  const handle = access.openFolder(folder);
  const events = watch(handle.path("."));
  try {
    while (!exists(handle.path(name))) await once(events, "change", { signal: options.signal });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    events.close();
    handle[Symbol.dispose]();
  }
}

function exists(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
