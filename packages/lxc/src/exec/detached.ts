import { closeSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { type Abortable, ConnectionError, isInstanceError } from "@pileus/core";
import {
  allOrNothing,
  type DetachedRequest,
  identifyProcess,
  type KeeperFailure,
  type LaunchedKeeper,
  type LaunchKept,
  listenUnix,
  ownerOutside,
  STEP,
  socketPair,
  startError,
  waitForEnd,
} from "@pileus/core/driver";
import { DETACHED_HOLDER } from "../helpers.ts";
import type { ExecTarget } from "./exec.ts";
import { type ExecHelpers, noRoom } from "./helper.ts";
import type { HelperRequest } from "./protocol.ts";

/** How long a program that is given up may take to end, in milliseconds. It usually takes five. */
const ABANDON_TIMEOUT = 1000;

/** What {@link startDetached} must know about its container. */
export interface DetachedTarget extends ExecTarget {
  /** `InstanceContext.run`. */
  readonly run: string;
}

/**
 * Starts a program inside that does not depend on this process: its keeper starts a holder (helper/detached-holder.c),
 * which has the connection to the process inside that serves it. See docs/design/0019-detached.md.
 */
export async function startDetached(
  helpers: ExecHelpers,
  target: DetachedTarget,
  { id }: DetachedRequest,
  asked: Promise<HelperRequest>,
  launch: LaunchKept,
  options: Abortable,
): Promise<void> {
  // A rejection is handled below, if the code gets there.
  asked.catch(() => undefined);
  // To enter the container takes longer than to look up a user.
  using _ = helpers.enter();
  const request = await asked;
  options.signal?.throwIfAborted();
  await allOrNothing(async (undo) => {
    const [holders, theirs] = socketPair();
    let launched: LaunchedKeeper;
    try {
      launched = await launchHolder(target, request, launch, { ...options, id, connection: holders });
    } catch (error) {
      closeSync(theirs);
      throw error;
    } finally {
      // The keeper has it. With a copy here, nobody would see the end of the holder.
      closeSync(holders);
    }
    undo(() => abandon(launched));
    const begun = launched.begin(options);
    const over = begun.then(
      () => undefined,
      () => undefined,
    );
    const served = helpers.serve(theirs, over, options);
    const [keeper] = await Promise.all([begun, served]);
    keeper.detach();
  });
}

/** Starts the keeper, which waits to start the holder. */
async function launchHolder(
  { name, idmap, run }: DetachedTarget,
  { argv, env, cwd, uid, gid, groups }: HelperRequest,
  launch: LaunchKept,
  { signal, id, connection }: Abortable & { readonly id: string; readonly connection: number },
): Promise<LaunchedKeeper> {
  const announce = listenForNobody(join(run, "exec", id));
  try {
    return await launch(
      {
        argv: ["pileus-detached", [uid, gid, ...groups].join(" "), cwd, ...argv],
        env,
        owner: ownerOutside(idmap, { uid, gid }),
      },
      {
        signal,
        starter: { program: DETACHED_HOLDER.descriptor(), announce, file: connection },
        startError: (failure) => notStarted(name, failure),
      },
    );
  } finally {
    closeSync(announce);
  }
}

/** Why the holder did not start the program: helper/detached-holder.c. */
function notStarted(name: string, failure: KeeperFailure): Error {
  const error = startError(failure, "the holder of a program", "/");
  if (failure.step !== STEP.start) return error;
  if (failure.errno === constants.errno.EAGAIN) return noRoom(name, error);
  const what = `a program in container "${name}"`;
  return failure.errno === constants.errno.EPIPE ? new ConnectionError(what, "it ended without a message") : error;
}

/** Ends what has started of a program. */
async function abandon(launched: LaunchedKeeper): Promise<void> {
  const keeper = await identifyProcess(launched.pid);
  launched[Symbol.dispose]();
  if (keeper === undefined) return;
  await waitForEnd(keeper, { timeout: ABANDON_TIMEOUT }).catch((error: unknown) => {
    if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
  });
}

/** A keeper listens for each PID 1 of a container. To this socket nobody comes: it has no name. */
function listenForNobody(folder: string): number {
  const path = join(folder, "nobody.sock");
  const listener = listenUnix(path);
  rmSync(path);
  return listener;
}
