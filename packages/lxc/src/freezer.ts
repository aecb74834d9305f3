import { once } from "node:events";
import { readFileSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Abortable } from "@pileus/core";
import { abortable } from "@pileus/core/driver";

/** The folder of the cgroup in which a container is frozen. */
export interface Freezer {
  readonly version: 1 | 2;
  readonly folder: string;
}

/** Freezes or thaws the whole container. Resolves when every process is frozen, or none. */
export async function setFrozen(freezer: Freezer, frozen: boolean, options: Abortable = {}): Promise<void> {
  options.signal?.throwIfAborted();
  if (freezer.version === 1) {
    // cgroup-v1/freezer-subsystem.rst: FREEZING until the last process has stopped. A read brings the state up to date,
    // and there is no event.
    writeFileSync(join(freezer.folder, "freezer.state"), frozen ? "FROZEN" : "THAWED");
    while (isFrozen(freezer) !== frozen) await abortable(setTimeout(2), options.signal);
    return;
  }
  // cgroup-v2.rst, cgroup.freeze: inotify(7) reports a change of cgroup.events.
  const events = watch(join(freezer.folder, "cgroup.events"));
  try {
    writeFileSync(join(freezer.folder, "cgroup.freeze"), frozen ? "1" : "0");
    while (isFrozen(freezer) !== frozen) await abortable(once(events, "change"), options.signal);
  } finally {
    events.close();
  }
}

/** Synchronous, so that no change is missed between a look and the wait for the next change. */
export function isFrozen(freezer: Freezer): boolean {
  if (freezer.version === 1) return readFileSync(join(freezer.folder, "freezer.state"), "utf8").trim() === "FROZEN";
  return /^frozen 1$/m.test(readFileSync(join(freezer.folder, "cgroup.events"), "utf8"));
}

/** The same for a container that may be ending: one that is gone is not frozen. */
export function isFrozenIfThere(freezer: Freezer): boolean {
  return ifThere(() => isFrozen(freezer)) ?? false;
}

/** For version 1, at the end of a container: its killed processes may be gone, with the cgroup. */
export function thawIfThere(folder: string): void {
  ifThere(() => writeFileSync(join(folder, "freezer.state"), "THAWED"));
}

function ifThere<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
