import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredEvent } from "../../../src/engine/journal/entry.ts";
import { Journal, type JournalBounds } from "../../../src/engine/journal/journal.ts";

/** The instance of the events of {@link event}. */
export const UUID = "6f1c1f7e-2d5e-4a55-9b53-0d7b3b0f6a10";

/** An event that is told apart by its name. */
export function event(instance: string, at = 1): StoredEvent {
  return { type: "created", instance, uuid: UUID, at };
}

/** What a journal has told its listener. */
export interface Told {
  readonly journal: Journal;
  readonly names: string[];
  readonly cursors: string[];
  missed: number;
}

/** A folder for a journal, and the journals that were opened on it. */
export function journalFolder() {
  const root = mkdtempSync(join(tmpdir(), "pileus-journal-"));
  const folder = join(root, "journal");
  const opened: Journal[] = [];
  return {
    root,
    folder,
    open(bounds?: JournalBounds): Told {
      const told: { names: string[]; cursors: string[]; missed: number } = { names: [], cursors: [], missed: 0 };
      const journal = new Journal(
        folder,
        {
          event: ({ instance }, cursor) => {
            told.names.push(instance);
            told.cursors.push(cursor);
          },
          missed: (count) => {
            told.missed += count;
          },
        },
        bounds,
      );
      opened.push(journal);
      return Object.assign(told, { journal });
    },
    dispose() {
      for (const journal of opened) journal.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The names in all events that are kept since a place. */
export function past(journal: Journal, since: Parameters<Journal["history"]>[0] = "oldest") {
  const history = journal.history(since);
  const names: string[] = [];
  let missed = 0;
  for (let events = history.next(); events !== undefined; events = history.next())
    for (const told of events) {
      names.push(told.event.instance);
      missed += told.missed;
    }
  return { names, missed };
}
