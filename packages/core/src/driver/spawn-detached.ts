import { closeSync, writeSync } from "node:fs";
import { type Child, startChild } from "../system/child.ts";
import { pipe } from "../system/descriptor.ts";
import { identifyChild, type ProcessIdentity } from "../system/process-identity.ts";
import type { ExitStatus } from "../terms/state.ts";

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
  const { env, cwd, descriptors = ["ignore", "ignore"] } = options;
  const go = pipe();
  let child: Child;
  try {
    child = startChild(["/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh", ...argv], {
      descriptors: [go.read, ...descriptors],
      session: true,
      env,
      cwd,
    });
  } catch (error) {
    closeSync(go.write);
    throw error;
  } finally {
    closeSync(go.read);
  }
  child.unref();
  let waits = true;
  const close = (word: string) => {
    if (!waits) return;
    waits = false;
    try {
      writeSync(go.write, word);
    } catch (error) {
      // It has been killed while it waited.
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
    } finally {
      closeSync(go.write);
    }
  };
  return {
    identity: identifyChild(child.pid),
    exit: child.exit,
    begin: () => close("go\n"),
    [Symbol.dispose]: () => close(""),
  };
}
