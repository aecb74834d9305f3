import { spawn } from "node:child_process";
import type { ExitStatus } from "../contract/state.ts";
import { identifyChild, type ProcessIdentity } from "../system/process-identity.ts";
import { TOOL_ENV } from "../system/tool-env.ts";

/** Options of {@link spawnDetached}. */
export interface SpawnDetachedOptions {
  /** The whole environment. Default: `PATH` and the `C.UTF-8` locale alone. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default: `/`. */
  readonly cwd?: string | undefined;
  /** Open descriptors of this process that the program inherits as its 1, 2, 3 and so on. Default: `/dev/null` twice. */
  readonly descriptors?: readonly ("ignore" | number)[] | undefined;
}

/** A program that waits for {@link begin}, and then outlives this process. It leads a session of its own. */
export interface DetachedProgram extends Disposable {
  /** What finds the program again, in whatever process. */
  readonly identity: ProcessIdentity;
  /** How it ended. It settles only in the process that has started it. */
  readonly exit: Promise<ExitStatus>;
  /** Lets the program run. Call it when `identity` is on record. */
  begin(): void;
}

/**
 * Starts a program that is to outlive this process, as the main program of an instance does. Until `begin()` it only
 * waits: if this process dies first, or disposes the program, it never runs. So no program runs that no record names.
 *
 * A shell waits in its place, and then becomes it: a program that cannot be run ends with 126 or 127.
 *
 * @throws a system error where no process can be started.
 */
export function spawnDetached(argv: readonly string[], options: SpawnDetachedOptions = {}): DetachedProgram {
  const { env = TOOL_ENV, cwd = "/", descriptors = ["ignore", "ignore"] } = options;
  const child = spawn("/bin/sh", ["-c", 'read -r go && exec "$@" </dev/null', "sh", ...argv], {
    stdio: ["pipe", ...descriptors],
    detached: true,
    env,
    cwd,
  });
  const exit = new Promise<ExitStatus>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "signaled", signal }),
    );
  });
  exit.catch(() => undefined);
  const { pid, stdin } = child;
  if (pid === undefined || stdin === null) throw new Error("/bin/sh could not be started");
  // A program that has ended reads no more.
  stdin.on("error", () => undefined);
  child.unref();
  return {
    identity: identifyChild(pid),
    exit,
    begin: () => void stdin.end("go\n"),
    [Symbol.dispose]: () => void stdin.destroy(),
  };
}
