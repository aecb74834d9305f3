import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type BackendDetached,
  type BackendDetachedProgram,
  DETACHED_KEPT,
  type DetachedRequest,
} from "../../contract/backend-detached.ts";
import type { DetachedInfo } from "../../contract/detached.ts";
import { HostError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable } from "../../flow/deadline.ts";
import { acquireLock, isHeld } from "../../system/lock.ts";
import { type LaunchedKeeper, type LaunchKeeperOptions, launchKeeper } from "../launch.ts";
import type { KeeperOrder } from "../order.ts";
import { signalByHolder, signalChild } from "../signals.ts";
import { isProgramId, makeProgramFolder } from "./facts.ts";
import {
  endKept,
  type Found,
  findProgram,
  type Held,
  infoOf,
  isKnown,
  KeptProgram,
  type Known,
  OUTPUT_BOUNDS,
} from "./kept-program.ts";

/** Starts the keeper of a program, as `launchKeeper()` does, in the program's own folder. */
export type LaunchKept = (
  order: Pick<KeeperOrder, "argv" | "env" | "owner">,
  options: LaunchKeeperOptions & Required<Pick<LaunchKeeperOptions, "starter">>,
) => Promise<LaunchedKeeper>;

/** Where the programs of a run are. */
interface KeptProgramsPlace {
  /** The name of the instance, for messages. */
  readonly name: string;
  /** `InstanceContext.run`: the programs are forgotten with it. */
  readonly run: string;
  /** Folders of cgroups for the keepers, as absolute paths: see {@link KeeperOrder.cgroups}. */
  cgroups(): readonly string[];
}

/** Programs that are processes of the host, and children of their keepers. */
interface PlainPrograms {
  /** What starts a program, as a process of the host. */
  order(request: DetachedRequest, options: Abortable): Promise<Pick<KeeperOrder, "argv" | "env" | "cwd" | "owner">>;
}

/** Programs that are elsewhere, each with a holder that stands for it. */
interface ProgramsElsewhere {
  /**
   * Starts the program, and resolves when it runs: calls `launch` and then {@link LaunchedKeeper.begin}, with a holder that
   * passes signals on, 32 for SIGKILL and 33 for SIGSTOP. A failure leaves no process.
   */
  start(request: DetachedRequest, launch: LaunchKept, options: Abortable): Promise<void>;
}

/** What is particular to a driver: where its programs are, and either an `order` or a `start`. */
export type KeptProgramsOptions = KeptProgramsPlace & (PlainPrograms | ProgramsElsewhere);

/**
 * Detached programs, each with a keeper of its own, in the folder `exec/ID` of the run: docs/design/0019-detached.md. There
 * is nothing else: whoever knows the folder sees and serves all of them.
 */
export class KeptPrograms implements BackendDetached {
  readonly #options: KeptProgramsOptions;
  readonly #folder: string;

  constructor(options: KeptProgramsOptions) {
    this.#options = options;
    this.#folder = join(options.run, "exec");
  }

  async start(request: DetachedRequest, options: Abortable): Promise<DetachedInfo> {
    const { id, argv } = request;
    const folder = join(this.#folder, id);
    const facts = { argv, startedAt: Date.now() };
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    await using _ = await acquireLock(startLock(folder), { ...options, retire: true });
    makeProgramFolder(folder, facts);
    const held = this.#held();
    const launch = (order: Pick<KeeperOrder, "argv" | "env" | "cwd" | "owner">, how: LaunchKeeperOptions) => {
      const whole = { ...order, cgroups: held.cgroups, log: OUTPUT_BOUNDS, counted: 0 };
      return launchKeeper({ run: folder, log: folder }, whole, how);
    };
    try {
      await this.#makeRoom(options);
      if ("start" in this.#options) await this.#options.start(request, launch, options);
      else {
        using launched = await launch(await this.#options.order(request, options), options);
        await launched.begin(options);
      }
      return { id, ...facts, state: "running" };
    } catch (error) {
      // Without its folder nobody would find one that does not end.
      if (await endKept(folder, held)) rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async list(options: Abortable): Promise<readonly DetachedInfo[]> {
    const now = Date.now();
    const infos = await Promise.all(this.#ids().map((id) => this.#look(id, now, options)));
    return infos
      .filter((info) => info !== undefined)
      .sort((one, other) => one.startedAt - other.startedAt || (one.id < other.id ? -1 : 1));
  }

  async open(id: string, options: Abortable): Promise<BackendDetachedProgram | undefined> {
    if (!isProgramId(id)) return undefined;
    const folder = join(this.#folder, id);
    const held = this.#held();
    const found = await findProgram(folder, held, options);
    if (!isKnown(found) || isForgotten(found, Date.now())) return undefined;
    return new KeptProgram(folder, held, id, found);
  }

  #held(): Held {
    const starter = "start" in this.#options;
    return { cgroups: this.#options.cgroups(), starter, signal: starter ? signalByHolder : signalChild };
  }

  #ids(): readonly string[] {
    try {
      return readdirSync(this.#folder).filter(isProgramId);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  /** One program, if it is on record. Removes what is on record no longer. */
  async #look(id: string, now: number, options: Abortable): Promise<DetachedInfo | undefined> {
    const folder = join(this.#folder, id);
    // Before the look, which finds what has started meanwhile.
    const isStarting = isHeld(startLock(folder));
    const held = this.#held();
    const found = await findProgram(folder, held, options);
    if (isKnown(found) && !isForgotten(found, now)) return infoOf(id, found);
    if (found.kind === "over" || (!isStarting && (await isNothing(folder, found, held, options)))) this.#remove(id);
    return undefined;
  }

  /** Forgets the programs that ended first, until no more are there than {@link DETACHED_KEPT} allows. */
  async #makeRoom(options: Abortable): Promise<void> {
    if (this.#ids().length <= DETACHED_KEPT.programs) return;
    const known = await this.list(options);
    const over = known.filter(({ state }) => state !== "running");
    const excess = this.#ids().length - DETACHED_KEPT.programs;
    const first = over.sort((one, other) => (one.endedAt ?? 0) - (other.endedAt ?? 0)).slice(0, Math.max(0, excess));
    for (const { id } of first) this.#remove(id);
    if (first.length >= excess) return;
    const running = known.length - over.length;
    // All but this one: each has its folder before it runs.
    const rest = this.#ids().length - 1 - running;
    const others = rest > 0 ? `, and ${rest} are starting or have a damaged record` : "";
    const reason = `${running} detached programs run${others}, and no more than ${DETACHED_KEPT.programs} are kept`;
    const fix = "end some that run: processes() lists them, and attach(id) gives their kill()";
    throw new HostError(`start a detached program in instance "${this.#options.name}"`, [
      { need: "detached programs", reason, fix },
    ]);
  }

  #remove(id: string): void {
    const folder = join(this.#folder, id);
    for (const path of [folder, startLock(folder)]) rmSync(path, { recursive: true, force: true });
  }
}

/** Held by the process that starts a program: without it, what has not started was given up. */
function startLock(folder: string): string {
  return `${folder}.lock`;
}

/** Whether nothing runs of a program that nobody starts any more, after the end of one that could run unseen. */
async function isNothing(folder: string, found: Found, held: Held, { signal }: Abortable): Promise<boolean> {
  return found.kind === "none" || (found.kind === "abandoned" && (await abortable(endKept(folder, held), signal)));
}

function isForgotten(found: Known, now: number): boolean {
  return found.kind === "over" && now - found.at > DETACHED_KEPT.time;
}
