import { closeSync, constants, openSync, readFileSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { CommandError, isInstanceError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { allOrNothing } from "../flow/cleanup.ts";
import { withDeadline } from "../flow/deadline.ts";
import { type Child, commandEnd, startChild } from "../system/child.ts";
import { pipe } from "../system/descriptor.ts";
import { socketPair } from "../system/descriptor-socket.ts";
import { cgroupFailure, type OwnCgroup } from "../system/own-cgroup.ts";
import { SealedHelper } from "../system/sealed-helper.ts";
import { listenUnix } from "../system/unix-socket.ts";
import { KeeperConnection, keeperSocket } from "./connection.ts";
import { type KeeperFailure, startError } from "./failure.ts";
import { endStart } from "./given-up.ts";
import { Keeper, type KeeperEvents } from "./keeper.ts";
import { KEEPER_BINARIES } from "./keeper-binary.ts";
import { ASK, encodeFrame, type KeeperMessage, PROTOCOL } from "./messages.ts";
import { encodeOrder, type HeldRun, type KeeperOrder, words } from "./order.ts";

/** The folders of an instance in which a keeper works: `InstanceContext.run` and `log`. */
export interface KeeperFolders {
  /** With its socket and how the run ended. */
  readonly run: string;
  /** With `output.log`. */
  readonly log: string;
}

/** What a keeper starts instead of the program itself: a holder of another kind, with descriptors for it. */
export interface KeeperStarter {
  /** The file to execute. It is not closed. */
  readonly program: number;
  /** The listening socket to which each program comes before it is executed. It is not closed. */
  readonly announce: number;
  /** What the program gets as its descriptor 3. It is not closed. Default: /dev/null. */
  readonly file?: number | undefined;
  /**
   * Whether it starts with the keeper, and waits for `begin()` by itself: for the word GO_ON on its channel, by which it
   * also gives up to end with the keeper (packages/core/keeper/holder.h). Default false: `begin()` starts it.
   */
  readonly waits?: boolean | undefined;
}

/** Options of {@link LaunchedKeeper.begin}. */
export interface BeginOptions extends Abortable {
  /** See {@link KeeperOrder.owner}, of pipes alone. Default: what the order says. */
  readonly owner?: KeeperOrder["owner"];
}

/** Options of {@link launchKeeper}. */
export interface LaunchKeeperOptions extends Abortable {
  /** See {@link KeeperEvents}. */
  readonly events?: KeeperEvents | undefined;
  /** Default: the order's `argv` is the program, and a fork of the keeper waits for it. */
  readonly starter?: KeeperStarter | undefined;
  /** The error of `begin()` for a program that did not start. Default: see {@link LaunchedKeeper.begin}. */
  readonly startError?: ((failure: KeeperFailure) => Error) | undefined;
  /**
   * What the program gets as its descriptors 3, 4 and so on. Not with a starter. They are not closed. The keeper keeps none
   * of them.
   */
  readonly descriptors?: readonly number[] | undefined;
  /** The cgroup that the keeper enters with all that it starts. Default: that of this process. */
  readonly cgroup?: OwnCgroup | undefined;
}

/** Options of {@link resumeKeeper}. */
export interface ResumeKeeperOptions extends Abortable {
  /** See {@link KeeperEvents}. */
  readonly events?: KeeperEvents | undefined;
  /** Whether the run was launched with a {@link KeeperStarter}. Default false. */
  readonly starter?: boolean | undefined;
  /** The cgroup that the keeper enters. Default: that of this process. */
  readonly cgroup?: OwnCgroup | undefined;
}

/** A keeper that waits for {@link begin}. If this process ends first, or disposes it, nothing ever runs. */
export interface LaunchedKeeper extends Disposable {
  /** The pid of the keeper. */
  readonly pid: number;
  /**
   * Starts the program. Resolves when it was executed. A failure, an abort, or the end of this process before that ends
   * it, with everything that it has started.
   *
   * @throws {NotFoundError} when the program does not exist. @throws {FileError} when it cannot be run, or its folder
   * cannot be entered. @throws {HostError} when the cgroup cannot be made. @throws a system error for the rest.
   */
  begin(options?: BeginOptions): Promise<Keeper>;
}

/**
 * Starts the keeper of a run, which waits for its `begin()`. It outlives this process, and ends with the run.
 *
 * @throws {UnsupportedError} on an architecture for which there is none. @throws {HostError} when its cgroup cannot be
 * made. @throws a system error.
 */
export async function launchKeeper(
  folders: KeeperFolders,
  order: KeeperOrder,
  options: LaunchKeeperOptions = {},
): Promise<LaunchedKeeper> {
  const { events, starter, descriptors = [], cgroup, signal } = options;
  const failed = options.startError ?? ((failure) => startError(failure, order.argv[0] ?? "", order.cwd ?? "/"));
  signal?.throwIfAborted();
  const kind = starter?.waits ? "waits" : starter !== undefined;
  const payload = encodeOrder(order, { starter: kind, handedOver: descriptors.length });
  using spawned = spawnKeeper(folders, payload, { starter, descriptors, cgroup });
  const { connection, child } = spawned;
  const keeper = new Keeper(folders.run, connection, events);
  // It may come with the answer that it is ready.
  const failure = new Promise<KeeperFailure>((resolve) => {
    connection.listen((message) => {
      if (message.kind === "failed") resolve(message);
    });
  });
  await ready(spawned, `start ${order.argv[0] ?? ""}`, { signal });
  return {
    pid: child.pid,
    begin: (how = {}) =>
      allOrNothing(async (undo) => {
        undo(() => endStart(child, starter === undefined ? folders.run : undefined));
        undo(() => connection.close());
        // It may have seen the start by then. A plain program is not killed alone: what it has started ends with it.
        if (starter !== undefined) undo(() => connection.send(ASK.kill));
        return begin(keeper, connection, failure.then(failed), how);
      }),
    [Symbol.dispose]: () => connection.close(),
  };
}

/**
 * Starts a keeper for a run whose keeper was killed: it takes over the streams from their holder, and goes on. The order
 * is the one of the launch.
 *
 * @throws a system error when the holder has ended.
 */
export async function resumeKeeper(
  folders: KeeperFolders,
  order: KeeperOrder,
  held: HeldRun,
  { events, signal, starter = false, cgroup }: ResumeKeeperOptions = {},
): Promise<Keeper> {
  signal?.throwIfAborted();
  using spawned = spawnKeeper(folders, encodeOrder(order, { starter, adopt: held }), { cgroup });
  const { connection } = spawned;
  const keeper = new Keeper(folders.run, connection, events);
  let failure: KeeperFailure | undefined;
  const leave = connection.listen((message) => {
    if (message.kind === "failed") failure = message;
  });
  await ready(spawned, "start a keeper", { signal });
  // It has tried to take over before it says anything, and ends if it cannot.
  if ((await connection.hello).state === "ended") await keeper.exit;
  leave();
  if (failure === undefined) return keeper;
  throw startError(failure, order.argv[0] ?? "", order.cwd ?? "/");
}

/** packages/core/keeper/keeper.c. */
const KEEPER = new SealedHelper("start", KEEPER_BINARIES);

/** A keeper that was started, and may not have read its order yet. */
interface SpawnedKeeper extends Disposable {
  readonly connection: KeeperConnection;
  readonly child: Child;
  /** What it printed before it was a keeper: why its cgroup could not be made. */
  readErrors(): string;
}

function spawnKeeper(
  { run, log }: KeeperFolders,
  payload: Buffer,
  { starter, descriptors = [], cgroup }: Pick<LaunchKeeperOptions, "starter" | "descriptors" | "cgroup">,
): SpawnedKeeper {
  const opened: number[] = [];
  const keep = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  const errors = pipe();
  keep(errors.write);
  try {
    const file = KEEPER.descriptor();
    const folder = (path: string) => keep(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    const [runFolder, logFolder] = [folder(run), folder(log)];
    rmSync(keeperSocket(run), { force: true });
    const listener = keep(listenUnix(keeperSocket(run)));
    const [ours, theirs] = socketPair();
    keep(theirs);
    const socket = new Socket({ fd: ours, readable: true, writable: true });
    try {
      // As packages/core/keeper/keeper.c expects them; its own file comes last.
      const given: (number | "ignore")[] = [
        theirs,
        runFolder,
        logFolder,
        listener,
        starter?.program ?? "ignore",
        starter?.announce ?? "ignore",
        starter?.file ?? "ignore",
      ];
      const standard = ["ignore", "ignore", errors.write] as const;
      const nothing = Array<"ignore">(HANDED - standard.length - given.length).fill("ignore");
      const all = [...standard, ...given, ...(descriptors.length === 0 ? [] : [...nothing, ...descriptors]), file];
      const self = [`/proc/self/fd/${all.length - 1}`];
      const child = startChild(cgroup?.enter(self) ?? self, { descriptors: all, session: true });
      child.unref();
      socket.write(Buffer.concat([encodeFrame(ASK.hello, words([PROTOCOL])), encodeFrame(ASK.config, payload)]));
      const connection = new KeeperConnection(socket, { greeted: true });
      return {
        connection,
        child,
        readErrors: () => readFileSync(errors.read, "utf8"),
        [Symbol.dispose]: () => closeSync(errors.read),
      };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  } catch (error) {
    closeSync(errors.read);
    throw error;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Where the descriptors for a program begin: packages/core/keeper/holder.h. */
const HANDED = 32;

/** How long a keeper may take to come up, in milliseconds. It takes a few, or as long as systemd takes for its scope. */
const READY_TIME = 30_000;

/** Closes the connection if it does not come up. */
async function ready({ connection, child, readErrors }: SpawnedKeeper, action: string, { signal }: Abortable) {
  try {
    const isReady = (message: KeeperMessage) => message.kind === "ready" || undefined;
    await connection.answer(isReady, { signal, timeout: READY_TIME });
  } catch (error) {
    connection.close();
    if (!isInstanceError(error, "ERR_CONNECTION")) {
      // One that comes up later would take over a run all the same.
      child.kill("SIGKILL");
      throw error;
    }
    const [end, stderr] = [commandEnd(await child.exit), readErrors()];
    throw stderr === "" ? error : cgroupFailure(action, new CommandError({ argv: ["pileus-keeper"], ...end, stderr }));
  }
}

/** A start takes as long as what it starts; its caller has the deadline. */
const START_TIME = Number.POSITIVE_INFINITY;

/** How long a keeper that could not start its program may take to end, in milliseconds. */
const END_TIME = 5000;

async function begin(
  keeper: Keeper,
  connection: KeeperConnection,
  failure: Promise<Error>,
  { owner, signal }: BeginOptions,
): Promise<Keeper> {
  signal?.throwIfAborted();
  const isStarted = (message: KeeperMessage) => message.kind === "started" || undefined;
  const started = connection.answer(isStarted, { signal, timeout: START_TIME }).then(() => undefined);
  connection.send(ASK.begin, owner && words([owner.uid, owner.gid]));
  try {
    const error = await Promise.race([failure, started]);
    if (error === undefined) return keeper;
    // Then nobody finds it any more. One whose holder does not end is left to itself: without us it kills the holder.
    const action = "the end of a keeper";
    await withDeadline({ action, timeout: END_TIME, signal }, () => keeper.exit).catch(() => undefined);
    throw error;
  } catch (error) {
    started.catch(() => undefined);
    throw error;
  }
}
