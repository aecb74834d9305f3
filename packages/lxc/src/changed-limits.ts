import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Abortable, type Limits, LimitsSchema } from "@pileus/core";
import { acquireLock, allOrNothing } from "@pileus/core/driver";
import { type LimitedRun, setLimits } from "./live-limits.ts";

/**
 * The limits of a run that were changed while it runs, in a file of the run: at a reboot inside, liblxc makes the cgroups
 * anew with the limits of the launch, and whoever sees the reboot, in whatever process, or comes later, sets these again.
 */
export class ChangedLimits {
  readonly #file: string;
  /** Else a process that has read the limits of before would set them over those that another has set meanwhile. */
  readonly #lock: string;
  readonly #run: LimitedRun;
  #last: Promise<unknown> = Promise.resolve();

  /** `folder`: that of the run. */
  constructor(folder: string, run: LimitedRun) {
    this.#file = join(folder, "limits");
    this.#lock = join(folder, "limits.lock");
    this.#run = run;
  }

  /** Sets the limits, and keeps them for {@link restore}; all or nothing. */
  change(before: Limits, after: Limits, options: Abortable): Promise<void> {
    return this.#next(async () => {
      await using _ = await acquireLock(this.#lock, options);
      await allOrNothing(async (undo) => {
        await setLimits(after, this.#run, options);
        undo(() => setLimits(before, this.#run, {}));
        await writeFile(`${this.#file}.new`, JSON.stringify(after), { mode: 0o600 });
        await rename(`${this.#file}.new`, this.#file);
      });
    });
  }

  /** Sets the limits that were changed last, if any were. Never rejects: a container that is ending needs none. */
  async restore(): Promise<void> {
    await this.#next(async () => {
      // Most runs have the limits of their launch, and need no lock.
      if (!existsSync(this.#file)) return;
      await using _ = await acquireLock(this.#lock);
      const limits = LimitsSchema.parse(JSON.parse(await readFile(this.#file, "utf8")));
      await setLimits(limits, this.#run, {});
    }).catch(() => undefined);
  }

  /** One after the other. */
  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
