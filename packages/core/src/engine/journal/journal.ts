import { randomBytes, randomUUID } from "node:crypto";
import { HostError } from "../../errors/all.ts";
import { isDiskFull } from "../../system/disk-full.ts";
import { diskFull } from "../../system/host-failure.ts";
import type { InstanceState } from "../../terms/state.ts";
import type { Place } from "./cursor.ts";
import { type Entry, type NewEntry, type Operation, renderEntries, type StoredEvent } from "./entry.ts";
import { History } from "./history.ts";
import { segmentNumbers } from "./segment.ts";
import { JournalTail } from "./tail.ts";
import { readTally, type Tally } from "./tally.ts";

/** How the journal is bounded. */
export interface JournalBounds {
  /** Bytes after which a file is closed. */
  readonly segmentBytes: number;
  /** The number of files that are kept. */
  readonly segments: number;
}
const BOUNDS: JournalBounds = { segmentBytes: 1024 * 1024, segments: 3 };

/** What a {@link Journal} tells while it reads. */
export interface JournalListener {
  /** An event of any process, and the cursor after it. Called in the order of the journal. */
  event(event: StoredEvent, cursor: string): void;
  /** So many events before the next may be missing. */
  missed(count: number): void;
}

/** An operation that this process has begun. */
export interface BegunOperation {
  readonly id: string;
  /**
   * Says that it is done or undone. Never fails: when that cannot be written, the operation stays open, and the next
   * process that has the lock ends it.
   */
  end(): void;
}

/** What {@link Journal.begin} takes. */
export interface NewOperation extends Omit<Operation, "id" | "at"> {
  /** Whether its effect outlives a boot of the machine, so that its begin must do so too. Default false. */
  readonly durable?: boolean | undefined;
}

/** The journal of one root: what every process did, in one order. `docs/design/0017-journal.md`. */
export class Journal {
  readonly #folder: string;
  readonly #listener: JournalListener;
  readonly #bounds: JournalBounds;
  readonly #tail: JournalTail;
  readonly #writer = `${process.pid}-${randomBytes(4).toString("hex")}`;
  #writes = 0;
  /** The last write of this process that stands in the journal. */
  #landed = "";
  #tally: Tally | undefined;
  #failure: string | undefined;
  #damaged = 0;
  #unsaid = 0;
  #reading = false;
  #closed = false;

  /** Opens it at its end. Never fails: see {@link issues}. */
  constructor(folder: string, listener: JournalListener, bounds: JournalBounds = BOUNDS) {
    this.#folder = folder;
    this.#listener = listener;
    this.#bounds = bounds;
    this.#tail = new JournalTail(folder, bounds.segments, this.#writer, {
      entry: (entry, cursor) => this.#take(entry, cursor),
      damaged: () => this.#miss(1, 1),
      skipped: () => {
        this.#tally = undefined;
        this.#miss(1, 0);
      },
    });
    this.readOn();
  }

  get folder(): string {
    return this.#folder;
  }

  /** Up to where this process has read; `undefined` while the journal cannot be read. */
  get place(): Place | undefined {
    return this.#tail.place;
  }

  /** What is wrong with it, in words. */
  get issues(): readonly string[] {
    return [
      ...(this.#failure === undefined
        ? []
        : [`it cannot be used, so others do not learn what this process does: ${this.#failure}`]),
      ...(this.#damaged > 0 ? [`${this.#damaged} of its lines are damaged and were left out`] : []),
      ...(this.#unsaid > 0 ? [`${this.#unsaid} events of this process could not be written to it`] : []),
    ];
  }

  /**
   * Writes events and the ends of operations, all in one step, and tells the events to the listener after everything
   * that stands before them. False when they cannot be written; the listener is then told nothing, and the journal will
   * say that so many are missing: those which were not counted when they were tried before.
   */
  publish(
    events: readonly StoredEvent[],
    ended: readonly { readonly id: string }[] = [],
    uncounted = events.length,
  ): boolean {
    const entries = [...events.map((event) => ({ event })), ...ended.map(({ id }) => ({ end: id }))];
    if (entries.length === 0) return true;
    try {
      this.#append([...(this.#unsaid > 0 ? [{ lost: this.#unsaid }] : []), ...entries], false);
      this.#unsaid = 0;
      return true;
    } catch (error) {
      this.#unsaid += uncounted;
      this.#fail(error);
      return false;
    }
  }

  /**
   * Writes down an operation before its first effect on the host. Only under the lock of its instance. @throws
   * {HostError} when that is not possible
   */
  begin({ durable = false, ...operation }: NewOperation): BegunOperation {
    const begun: Operation = { id: randomUUID(), at: Date.now(), ...operation };
    try {
      this.#append([{ begin: begun }], durable);
    } catch (error) {
      const action = `${operation.kind} for instance "${operation.instance}"`;
      if (isDiskFull(error)) throw diskFull(action, error);
      const reason = `the journal ${this.#folder} cannot be written: ${messageOf(error)}`;
      const fix = "make the folder writable";
      const need = `folder:${this.#folder}`;
      throw new HostError(action, [{ need, reason, fix }], {
        cause: error,
      });
    }
    return { id: begun.id, end: () => void this.publish([], [begun]) };
  }

  /**
   * The operations that are open, oldest first; those of one instance when `uuid` is given. One that is open while this
   * process holds the lock of its instance was cut short.
   */
  openOperations(uuid?: string): readonly Operation[] {
    this.readOn();
    const open = this.#counted()?.open ?? [];
    return uuid === undefined ? open : open.filter((operation) => operation.uuid === uuid);
  }

  /** The last state of the instance that the journal tells; `undefined` when it says nothing of it. */
  toldState(uuid: string): InstanceState | undefined {
    return this.#counted()?.state(uuid);
  }

  /** Reads to the end, and tells what is new. Never fails: see {@link issues}. */
  readOn(): void {
    if (this.#closed || this.#reading) return;
    try {
      this.#read();
      this.#failure = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The events after that place, of all that is kept; then those to come. */
  history(since: Place | "oldest"): History {
    this.readOn();
    return new History(this.#folder, since, () => this.place);
  }

  close(): void {
    this.#closed = true;
    this.#tail.close();
  }

  #counted(): Tally | undefined {
    const { place } = this;
    if (this.#tally !== undefined || place === undefined) return this.#tally;
    try {
      const numbers = segmentNumbers(this.#folder).filter((number) => number <= place.segment);
      this.#tally = readTally(this.#folder, numbers, place.offset);
    } catch (error) {
      this.#failure = messageOf(error);
    }
    return this.#tally;
  }

  /** @throws when the entries do not stand in the journal */
  #append(entries: readonly NewEntry[], durable: boolean): void {
    if (this.#closed) throw new Error("the host was disposed");
    this.#writes += 1;
    const by = `${this.#writer}-${this.#writes}`;
    const text = renderEntries(entries, by);
    for (;;) {
      const { segment } = this.#tail;
      segment.append(text, { durable });
      this.#read();
      if (this.#landed === by) break;
      // Else it stands behind the seal of its file, where it does not count.
      if (this.#tail.segment === segment) throw new Error("it does not keep what is written to it");
    }
    this.#failure = undefined;
    if ((this.place?.offset ?? 0) > this.#bounds.segmentBytes) this.#rotate();
  }

  /** Goes on in a new file. Not possible on a full disk: then the next write tries again. */
  #rotate(): void {
    try {
      this.#tail.seal();
      this.#read();
    } catch (error) {
      this.#fail(error);
    }
  }

  #read(): void {
    this.#reading = true;
    try {
      this.#tail.read();
    } finally {
      this.#reading = false;
    }
  }

  #take(entry: Entry, cursor: string): void {
    this.#tally?.add(entry);
    const mine = entry.by.startsWith(`${this.#writer}-`);
    if (mine) this.#landed = entry.by;
    if ("event" in entry) this.#listener.event(entry.event, cursor);
    else if ("lost" in entry && !mine) this.#miss(entry.lost, 0);
  }

  #miss(count: number, damaged: number): void {
    this.#damaged += damaged;
    this.#listener.missed(count);
  }

  #fail(error: unknown): void {
    this.#failure = messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
