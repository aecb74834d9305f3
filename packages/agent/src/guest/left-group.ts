import { type ProcessIds, readProcesses } from "./processes.ts";

/** How often is looked at who is left, in milliseconds: nothing tells of the end of a process that is no child of ours. */
const INTERVAL = 1000;

/**
 * What a program that has ended left of its process group. Its number is the group's for as long as one of the group
 * lives, and a stranger's afterwards: a signal goes to the group only while somebody lives that was in it before.
 */
export class LeftGroup {
  readonly #id: number;
  readonly #read: () => readonly ProcessIds[];
  #members: ReadonlySet<string>;
  #timer: NodeJS.Timeout | undefined;

  /** `undefined` where nobody is left. Called when the leader `id` has ended, before anything else can get its number. */
  static find(id: number, read = readProcesses, exists = groupExists): LeftGroup | undefined {
    // Mostly so, and found out without a look at every process.
    if (!exists(id)) return undefined;
    const group = new LeftGroup(id, read);
    return group.#members.size === 0 ? undefined : group;
  }

  private constructor(id: number, read: () => readonly ProcessIds[]) {
    this.#id = id;
    this.#read = read;
    this.#members = this.#look();
  }

  /** Whether one lives that was in it at the last look; those that have joined it since are known from now on. */
  isAlive(): boolean {
    const now = this.#look();
    const goesOn = [...this.#members].some((member) => now.has(member));
    this.#members = goesOn ? now : new Set();
    return goesOn;
  }

  /** Calls `gone` once when nobody is left. */
  watch(gone: () => void): void {
    this.#timer = setInterval(() => {
      if (this.isAlive()) return;
      this.close();
      gone();
    }, INTERVAL);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): ReadonlySet<string> {
    const members = this.#read().filter(({ group }) => group === this.#id);
    return new Set(members.map(({ pid, started }) => `${pid} ${started}`));
  }
}

function groupExists(id: number): boolean {
  try {
    return process.kill(-id, 0);
  } catch {
    return false;
  }
}
