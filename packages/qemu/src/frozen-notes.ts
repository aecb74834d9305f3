import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SignalName } from "@pileus/core";
import { type DetachedInfo, isDiskFull, readIfThere } from "@pileus/core/driver";

/** A signal that waits for the thaw. */
export interface WaitingSignal {
  readonly id: string;
  readonly signal: SignalName;
  /** To be called when the agent has it. */
  done(): Promise<void>;
}

/**
 * What every process knows of the programs of a guest that is frozen, in files of the run. `programs/list` is the list right
 * before the freeze, `programs/ID` what was started after that list: a start that finds the folder leaves a note there, and
 * one that does not find it was on record before the agent told the list. `signals` has the signals for the moment after the
 * thaw: what waits in a port is lost when its session ends.
 */
export class FrozenNotes {
  readonly #programs: string;
  readonly #signals: string;

  /** `run`: `InstanceContext.run`. */
  constructor(run: string) {
    this.#programs = join(run, "programs");
    this.#signals = join(run, "signals");
  }

  /** To be called before the agent of a guest to freeze is asked for its list. On a full disk there will be no list. */
  async begin(): Promise<void> {
    await this.forget();
    try {
      await mkdir(this.#programs, { mode: 0o700 });
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  /** To be called after a thaw, or when there was no freeze. */
  async forget(): Promise<void> {
    const old = `${this.#programs}.${randomUUID()}`;
    try {
      // Nobody leaves a note in it while it is removed.
      await rename(this.#programs, old);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    await rm(old, { recursive: true, force: true });
  }

  async noteList(list: readonly DetachedInfo[]): Promise<void> {
    await write(this.#programs, "list", JSON.stringify(list));
  }

  /** To be called when a program is on record, before anybody is told of it. */
  async noteStart(info: DetachedInfo): Promise<void> {
    try {
      await write(this.#programs, info.id, JSON.stringify(info));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** The programs, the oldest first; `undefined` if the agent has not told them. */
  async programs(): Promise<readonly DetachedInfo[] | undefined> {
    const known = new Map<string, DetachedInfo>();
    for (const id of await namesIn(this.#programs)) {
      const started = id === "list" ? undefined : await readIfThere(join(this.#programs, id));
      if (started !== undefined) known.set(id, JSON.parse(started) as DetachedInfo);
    }
    // Last: if it is there, no thaw has taken notes away before they were read.
    const list = await readIfThere(join(this.#programs, "list"));
    if (list === undefined) return undefined;
    for (const info of JSON.parse(list) as readonly DetachedInfo[]) known.set(info.id, info);
    const byStart = (one: DetachedInfo, other: DetachedInfo) =>
      one.startedAt - other.startedAt || (one.id < other.id ? -1 : 1);
    return [...known.values()].sort(byStart);
  }

  async leaveSignal(id: string, signal: SignalName): Promise<void> {
    await mkdir(this.#signals, { recursive: true, mode: 0o700 });
    await write(this.#signals, `${Date.now()}-${randomUUID()}`, `${id} ${signal}`);
  }

  /** In the order in which they were left. One that another process takes meanwhile is left out. */
  async *waitingSignals(): AsyncGenerator<WaitingSignal, void> {
    for (const name of (await namesIn(this.#signals)).sort()) {
      const path = join(this.#signals, name);
      const [id = "", signal = ""] = ((await readIfThere(path)) ?? "").split(" ");
      const done = () => rm(path, { force: true });
      if (id !== "") yield { id, signal: signal as SignalName, done };
    }
  }
}

/** Makes a file that is never seen in part. */
async function write(folder: string, name: string, content: string): Promise<void> {
  await writeFile(join(folder, `.${name}`), content, { mode: 0o600 });
  await rename(join(folder, `.${name}`), join(folder, name));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith("."));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
