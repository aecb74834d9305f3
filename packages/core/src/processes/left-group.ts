import { type ProcessIds, readProcesses } from "./process-ids.ts";

/**
 * How often to check which processes are left, in milliseconds: the kernel does not report the end of a process that is
 * not our child.
 */
const INTERVAL = 1000;

/**
 * The processes that an ended program left in its process group. The id belongs to the group as long as one member
 * lives; afterwards a stranger may get it. So a signal is sent only while a known member lives, or while every member
 * is in the program's session and none has the id itself: a member may start another and end, while the group of a
 * stranger always begins with a process that has the group's id.
 */
export class LeftGroup {
  readonly #id: number;
  readonly #read: () => readonly ProcessIds[];
  #members: ReadonlySet<string>;
  /** Whether the members of the last look can only be the program's: it led its session, and has ended. */
  #isOwn = false;
  /** Whether the group of the last look has a leader: the one of the program has ended. */
  #isOfStranger = false;
  #timer: NodeJS.Timeout | undefined;

  /** `undefined` if no process is left. To be called as soon as the end of the leader `id` is known. */
  static find(id: number, read = readProcesses, exists = groupExists): LeftGroup | undefined {
    // The usual case, and cheaper than a look at every process.
    if (!exists(id)) return undefined;
    const group = new LeftGroup(id, read);
    return group.#members.size === 0 || group.#isOfStranger ? undefined : group;
  }

  private constructor(id: number, read: () => readonly ProcessIds[]) {
    this.#id = id;
    this.#read = read;
    this.#members = this.#look();
  }

  /** Whether the group goes on. Members that have joined since the last look become known. */
  isAlive(): boolean {
    const now = this.#look();
    const continues = [...this.#members].some((member) => now.has(member));
    this.#members = continues || (this.#members.size > 0 && this.#isOwn) ? now : new Set();
    return this.#members.size > 0;
  }

  /** Calls `gone` once when no process is left. */
  watch(gone: () => void): void {
    this.#timer = setInterval(() => {
      if (this.isAlive()) return;
      this.close();
      gone();
    }, INTERVAL);
    this.#timer.unref();
  }

  /** Ends the watch of {@link watch}. */
  close(): void {
    clearInterval(this.#timer);
  }

  #look(): ReadonlySet<string> {
    const members = this.#read().filter(({ group }) => group === this.#id);
    this.#isOfStranger = members.some(({ pid }) => pid === this.#id);
    this.#isOwn = !this.#isOfStranger && members.every(({ session }) => session === this.#id);
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
