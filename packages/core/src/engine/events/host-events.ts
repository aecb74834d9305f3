import { parseCursor } from "../journal/cursor.ts";
import type { StoredEvent } from "../journal/entry.ts";
import { Journal } from "../journal/journal.ts";
import { type FolderWatch, watchFolder } from "../journal/watch-folder.ts";
import type { Past } from "./event-queue.ts";
import { EventBus, type EventTap } from "./events.ts";

/** What an instance that this process knows says to an event about it. */
export interface Subject {
  readonly uuid: string;
  /** What to tell listeners of this process; `undefined` when they know it already. */
  hear(event: StoredEvent): StoredEvent | undefined;
}

/** What {@link HostEvents} uses of its host. */
export interface HostEventsParts {
  /** The folder of the journal. */
  readonly folder: string;
  /** The instance that the event is about, if this process knows it. */
  readonly find: (event: Pick<StoredEvent, "uuid">) => Subject | undefined;
  /** Called when somebody begins to watch, and its result when nobody watches any more. */
  readonly onWatched: () => () => void;
  /** Aborts when the host is disposed: nothing is heard of other processes from then on. */
  readonly closing: AbortSignal;
}

/** The events of one host: what every process writes into the journal, and what concerns this one alone. */
export class HostEvents {
  readonly journal: Journal;
  readonly #parts: HostEventsParts;
  readonly #bus: EventBus;
  #folder: FolderWatch;
  /** What was told here before the journal tells it, by the uuid of the instance: the last such event of each. */
  readonly #told = new Map<string, string>();

  constructor(parts: HostEventsParts) {
    this.#parts = parts;
    this.#bus = new EventBus(
      () => this.#begin(),
      (since) => this.#recall(since),
    );
    this.journal = new Journal(parts.folder, {
      event: (event, cursor) => this.#hear(event, cursor),
      missed: (count) => this.#bus.miss(count),
    });
    this.#folder = this.#watchFolder();
    parts.closing.addEventListener("abort", () => this.#folder.close(), { once: true });
  }

  /** What keeps processes from hearing one another, in words. */
  get issues(): readonly string[] {
    const { failure } = this.#folder;
    return [
      ...this.journal.issues,
      ...(failure === undefined
        ? []
        : [
            `events of other processes come late, with the next use of an instance, because its folder cannot be watched: ${failure}`,
          ]),
    ];
  }

  /**
   * Tells all processes, in the order of the journal, and ends operations in the same step. Tells only this one when the
   * journal cannot be written: once, however often it is tried again, by this process or by another.
   */
  publish(events: readonly StoredEvent[], ended: readonly { readonly id: string }[] = []): void {
    const untold = events.filter((event) => !this.#isTold(event));
    if (this.journal.publish(events, ended, untold.length)) return;
    for (const event of untold) {
      this.#hear(event, undefined);
      if (this.#isToldAgain(event)) this.#told.set(event.uuid, keyOf(event));
    }
  }

  /** Tells this process alone. */
  publishHere(event: StoredEvent): void {
    if (event.type === "deleted") this.#told.set(event.uuid, keyOf(event));
    this.#bus.publish(event);
  }

  #isTold(event: StoredEvent): boolean {
    return this.#told.get(event.uuid) === keyOf(event);
  }

  /** Whether who finds the operation that the event ends, open, tells the event. Listeners know a state that they were told. */
  #isToldAgain({ type, uuid }: StoredEvent): boolean {
    return type !== "state" && type !== "exit" && this.journal.openOperations(uuid).length > 0;
  }

  /** Tells what other processes have done up to now. */
  catchUp(): void {
    this.journal.readOn();
  }

  /** Gives a reader its events: all, or those of the instance with that uuid. */
  tap(uuid?: string): EventTap {
    return this.#bus.tap(uuid);
  }

  /** Ends all readers. */
  close(): void {
    this.#bus.close();
    this.journal.close();
  }

  #hear(event: StoredEvent, cursor: string | undefined): void {
    if (this.#isTold(event)) {
      this.#told.delete(event.uuid);
      return;
    }
    const subject = this.#parts.find(event);
    const told = subject?.uuid === event.uuid ? subject.hear(event) : event;
    if (told !== undefined) this.#bus.publish(cursor === undefined ? told : { ...told, cursor });
  }

  #recall(since: string | undefined): Past | undefined {
    // What others have done before the call may not be read yet.
    if (since === undefined) {
      this.journal.readOn();
      return undefined;
    }
    const history = this.journal.history(since === "oldest" ? since : parseCursor(since));
    return {
      next: () =>
        history.next()?.map(({ event, cursor, missed }) => ({ ...event, cursor, ...(missed > 0 ? { missed } : {}) })),
    };
  }

  #watchFolder(): FolderWatch {
    return watchFolder(this.#parts.folder, () => this.journal.readOn());
  }

  #begin(): () => void {
    // The folder may have been missing, or the system may have had no watch to spare.
    if (this.#folder.failure !== undefined) {
      this.#folder.close();
      this.#folder = this.#watchFolder();
    }
    this.#folder.keepAlive(true);
    const end = this.#parts.onWatched();
    return () => {
      this.#folder.keepAlive(false);
      end();
    };
  }
}

/** What makes two events one, told at two times. */
function keyOf(event: StoredEvent): string {
  if (event.type === "renamed") return `renamed from ${event.from} to ${event.to}`;
  return event.type === "updated" ? `updated ${JSON.stringify(event.changes)}` : event.type;
}
