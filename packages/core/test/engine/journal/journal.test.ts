import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseCursor } from "../../../src/engine/journal/cursor.ts";
import { renderEntries } from "../../../src/engine/journal/entry.ts";
import { segmentNumbers } from "../../../src/engine/journal/segment.ts";
import { event, journalFolder, past, UUID } from "./support.ts";

let place: ReturnType<typeof journalFolder>;
beforeEach(() => {
  place = journalFolder();
});
afterEach(() => place.dispose());

const newest = () => {
  const name = `${segmentNumbers(place.folder).at(-1)}.ndjson`;
  return join(place.folder, name);
};

describe("the journal", () => {
  it("tells all who read it the same order, their own events included", () => {
    const [one, two] = [place.open(), place.open()];
    one.journal.publish([event("a")]);
    two.journal.publish([event("b"), event("c")]);
    one.journal.publish([event("d")]);
    two.journal.readOn();
    expect(one.names).toEqual(["a", "b", "c", "d"]);
    expect(two.names).toEqual(one.names);
    expect(two.cursors).toEqual(one.cursors);
  });

  it("replays what came after a cursor to any later reader", () => {
    const one = place.open();
    one.journal.publish([event("a"), event("b"), event("c")]);
    const later = place.open();
    expect(later.names).toEqual([]);
    expect(past(later.journal, parseCursor(one.cursors[0] ?? "")).names).toEqual(["b", "c"]);
    expect(past(later.journal, parseCursor(one.cursors[2] ?? "")).names).toEqual([]);
    expect(past(later.journal).names).toEqual(["a", "b", "c"]);
  });

  it("keeps the order of writing when the clock is set back", () => {
    const one = place.open();
    for (const [name, at] of [
      ["a", 9000],
      ["b", 10],
      ["c", 5000],
    ] as const)
      one.journal.publish([event(name, at)]);
    expect(past(one.journal).names).toEqual(["a", "b", "c"]);
  });

  it("stays within its bounds, and refuses cursors of what is not kept any more", () => {
    const bounds = { segmentBytes: 2000, segments: 3 };
    const [one, two] = [place.open(bounds), place.open(bounds)];
    const names = Array.from({ length: 200 }, (_, index) => `e${index}`);
    for (const name of names) (name.endsWith("7") ? two : one).journal.publish([event(name)]);
    two.journal.readOn();
    expect(one.names).toEqual(names);
    expect(two.names).toEqual(names);
    const files = readdirSync(place.folder).filter((name) => name.endsWith(".ndjson"));
    expect(files).toHaveLength(3);
    for (const file of files) expect(statSync(join(place.folder, file)).size).toBeLessThan(3000);
    const kept = past(place.open(bounds).journal);
    expect(kept.names).toEqual(names.slice(-kept.names.length));
    expect(kept.names.length).toBeGreaterThan(20);
    const oldest = names.length - kept.names.length;
    expect(past(one.journal, parseCursor(one.cursors[oldest] ?? "")).names).toEqual(names.slice(oldest + 1));
    expect(() => past(one.journal, parseCursor(one.cursors[0] ?? ""))).toThrow(
      /does not keep events that are so old.*list\(\)/,
    );
  });

  it("reads on, and says that something is missing, when it slept while files were removed", () => {
    const bounds = { segmentBytes: 500, segments: 2 };
    const [one, sleeper] = [place.open(bounds), place.open(bounds)];
    one.journal.publish([event("first")]);
    sleeper.journal.readOn();
    for (let index = 0; index < 50; index += 1) one.journal.publish([event(`e${index}`)]);
    sleeper.journal.publish([event("last")]);
    expect(sleeper.names.at(-1)).toBe("last");
    expect(sleeper.missed).toBeGreaterThan(0);
    one.journal.readOn();
    expect(one.names.at(-1)).toBe("last");
  });

  it("does not count what is written behind the seal of a file: its writer writes it again", () => {
    const [one, two] = [place.open(), place.open()];
    one.journal.publish([event("a")]);
    appendFileSync(newest(), renderEntries([{ seal: true }], "another"));
    two.journal.publish([event("b")]);
    one.journal.readOn();
    expect(one.names).toEqual(["a", "b"]);
    expect(past(one.journal).names).toEqual(["a", "b"]);
    expect(segmentNumbers(place.folder)).toHaveLength(2);
  });

  it("goes on when a process died between the seal and the next file, and between that file and its first line", () => {
    const one = place.open();
    const begun = one.journal.begin({ kind: "attach", instance: "a", uuid: UUID });
    one.journal.close();
    appendFileSync(newest(), renderEntries([{ seal: true }], "dead"));
    const two = place.open();
    expect(two.journal.openOperations(UUID).map(({ id }) => id)).toEqual([begun.id]);
    two.journal.close();
    writeFileSync(newest(), "");
    const three = place.open();
    expect(three.journal.openOperations(UUID).map(({ id }) => id)).toEqual([begun.id]);
    expect(three.journal.issues).toEqual([]);
  });

  it("begins a new file after a boot, so that no cursor is an offset in what a power loss took", () => {
    const one = place.open();
    one.journal.publish([event("a")]);
    one.journal.close();
    const first = newest();
    writeFileSync(first, readFileSync(first, "utf8").replace(/"boot":"[^"]*"/, '"boot":"another"'));
    const two = place.open();
    two.journal.publish([event("b")]);
    expect(newest()).not.toBe(first);
    expect(past(two.journal).names).toEqual(["a", "b"]);
  });

  it.each([
    ["cut in the middle of a line", (text: string) => text.slice(0, -20)],
    ["with zeros of a power loss at its end", (text: string) => `${text.slice(0, -20)}${"\0".repeat(300)}`],
    ["with a line of no sense", (text: string) => `${text.slice(0, -20)}\n{"event":{}}\n`],
  ])("%s leaves that line out, says so, and hides no later one", (_, damage) => {
    const one = place.open();
    one.journal.publish([event("a")]);
    one.journal.publish([event("b")]);
    one.journal.close();
    writeFileSync(newest(), damage(readFileSync(newest(), "utf8")));
    const two = place.open();
    two.journal.publish([event("c")]);
    expect(two.names).toEqual(["c"]);
    const { names, missed } = past(two.journal);
    expect(names).toEqual(["a", "c"]);
    expect(missed).toBeGreaterThan(0);
  });

  it("that is cut off while others have it open goes on in a new file, for all of them", () => {
    const [one, two] = [place.open(), place.open()];
    one.journal.publish([event("a"), event("b")]);
    two.journal.readOn();
    truncateSync(newest(), statSync(newest()).size - 20);
    two.journal.publish([event("c")]);
    one.journal.publish([event("d")]);
    two.journal.readOn();
    expect(one.names).toEqual(["a", "b", "c", "d"]);
    expect(two.names).toEqual(one.names);
    expect(two.journal.issues.join()).toContain("damaged");
    expect(() => past(one.journal, parseCursor(one.cursors[1] ?? ""))).toThrow("has no such place");
  });

  it("that is removed while others have it open is begun anew, and refuses cursors of before", () => {
    const [one, two] = [place.open(), place.open()];
    one.journal.publish([event("a")]);
    const [cursor = ""] = one.cursors;
    rmSync(place.folder, { recursive: true });
    two.journal.publish([event("b")]);
    one.journal.publish([event("c")]);
    two.journal.readOn();
    expect(two.names.slice(-2)).toEqual(["b", "c"]);
    expect(one.names.slice(-1)).toEqual(["c"]);
    expect(() => past(two.journal, parseCursor(cursor))).toThrow(/since .*(?:so old|no such place)/);
  });

  it("that cannot be opened takes no event, says why, and is used once it can", () => {
    writeFileSync(place.folder, "");
    const one = place.open();
    expect(one.journal.publish([event("a"), event("b")])).toBe(false);
    expect(one.journal.issues.join()).toMatch(/cannot be used.*EEXIST|ENOTDIR/);
    expect(() => past(one.journal)).toThrow("cannot be read: see host.doctor()");
    rmSync(place.folder);
    const two = place.open();
    expect(one.journal.publish([event("c")])).toBe(true);
    two.journal.readOn();
    expect([two.names, two.missed]).toEqual([["c"], 2]);
    expect([one.names, one.missed]).toEqual([["c"], 0]);
    expect(one.journal.issues).toEqual([]);
    expect(past(two.journal)).toEqual({ names: ["c"], missed: 2 });
  });

  it("keeps what a later release writes, and leaves it out without a word", () => {
    const one = place.open();
    appendFileSync(newest(), `\n${JSON.stringify({ weather: "fine", by: "1-2-3" })}\n`);
    one.journal.publish([event("a")]);
    expect([one.names, one.missed, one.journal.issues]).toEqual([["a"], 0, []]);
  });
});

describe("operations in the journal", () => {
  it("are open from their begin to their end, for every process", () => {
    const [one, two] = [place.open(), place.open()];
    const attach = one.journal.begin({ kind: "attach", instance: "a", uuid: UUID, data: { interface: "plx0" } });
    const other = one.journal.begin({ kind: "attach", instance: "b", uuid: UUID.replace("6", "7") });
    expect(two.journal.openOperations(UUID)).toMatchObject([
      { id: attach.id, kind: "attach", data: { interface: "plx0" } },
    ]);
    attach.end();
    expect(two.journal.openOperations().map(({ id }) => id)).toEqual([other.id]);
    expect(
      place
        .open()
        .journal.openOperations()
        .map(({ id }) => id),
    ).toEqual([other.id]);
  });

  it("end with the deletion of their instance", () => {
    const one = place.open();
    one.journal.begin({ kind: "attach", instance: "a", uuid: UUID });
    one.journal.publish([{ ...event("a"), type: "deleted" }]);
    expect(one.journal.openOperations()).toEqual([]);
  });

  it("stay open for as long as it takes, however many files are removed meanwhile", () => {
    const bounds = { segmentBytes: 1000, segments: 2 };
    const one = place.open(bounds);
    const begun = one.journal.begin({ kind: "attach", instance: "a", uuid: UUID, durable: true });
    for (let index = 0; index < 100; index += 1) one.journal.publish([event(`e${index}`)]);
    expect(segmentNumbers(place.folder)).toHaveLength(2);
    expect(
      place
        .open(bounds)
        .journal.openOperations()
        .map(({ id }) => id),
    ).toEqual([begun.id]);
    begun.end();
    for (let index = 0; index < 100; index += 1) one.journal.publish([event(`e${index}`)]);
    expect(place.open(bounds).journal.openOperations()).toEqual([]);
  });

  it("do not begin when that cannot be written", () => {
    writeFileSync(place.folder, "");
    const { journal } = place.open();
    expect(() => journal.begin({ kind: "attach", instance: "a", uuid: UUID })).toThrow(
      /attach for instance "a".*cannot be written/,
    );
  });
});
