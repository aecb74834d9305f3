import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceEvent } from "../../../src/contract/events.ts";
import { collect } from "../../../src/testing/kit/expect.ts";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const words = (events: readonly InstanceEvent[]) =>
  events.map((event) => (event.type === "state" ? `${event.previous}→${event.state}` : event.type));
const isDeleted = ({ type }: InstanceEvent) => type === "deleted";

async function journalFile(): Promise<string> {
  const folder = join(place.root, "journal");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".ndjson"));
  return join(folder, names.sort().at(-1) ?? "");
}

/** Takes the last lines away that match, as if their writer had been killed before it wrote them. */
async function unsay(...patterns: readonly RegExp[]): Promise<void> {
  const path = await journalFile();
  const lines = readFileSync(path, "utf8").split("\n");
  const kept = lines.filter((line) => !patterns.some((pattern) => pattern.test(line)));
  expect(kept.length).toBeLessThan(lines.length);
  truncateSync(path, 0);
  appendFileSync(path, kept.join("\n"));
}

describe("a host beside another on the same root", () => {
  it("hears of instances that it has never used, and of several at once in one order", async () => {
    const [one, two] = [await place.open(), await place.open()];
    const mine = collect(one.watch(), (event) => event.type === "deleted" && event.instance === "b");
    const theirs = collect(two.watch(), (event) => event.type === "deleted" && event.instance === "b");
    const [a, b] = [await one.create(CONFIG), await two.create({ ...CONFIG, name: "b" })];
    await Promise.all([a.start(), b.start()]);
    await a.delete();
    await b.delete();
    const seen = await mine;
    expect(await theirs).toEqual(seen);
    expect(words(seen.filter(({ instance }) => instance === "a"))).toEqual([
      "created",
      "stopped→starting",
      "starting→running",
      "running→stopping",
      "stopping→stopped",
      "exit",
      "deleted",
    ]);
  });

  it("tells nothing in a loop that another has done before, however recently", async () => {
    const [one, two] = [await place.open(), await place.open()];
    const a = await one.create(CONFIG);
    const theirs = await two.get("a");
    for (const watched of [two, theirs]) {
      await a.update({ labels: { done: "before" } });
      const seen = watched.watch()[Symbol.asyncIterator]();
      await a.start();
      expect((await seen.next()).value).toMatchObject({ type: "state", state: "starting" });
      await seen.return?.();
      await a.stop();
    }
  });

  it("tells everybody the state on record when whoever wrote it was killed before it could tell", async () => {
    const writer = await place.open();
    const a = await writer.create(CONFIG);
    await a.start();
    await writer[Symbol.asyncDispose]();
    await unsay(/"state":"running"/);
    const [one, two] = [await place.open(), await place.open()];
    await (await one.get("a")).state();
    const past = collect(
      two.watch({ since: "oldest" }),
      (event) => event.type === "state" && event.state === "running",
    );
    expect(words(await past)).toEqual(["created", "stopped→starting", "starting→running"]);
  });

  it("tells that an instance was created when its creator was killed before it could tell", async () => {
    const writer = await place.open();
    await writer.create(CONFIG);
    await writer[Symbol.asyncDispose]();
    await unsay(/"type":"created"/, /"end":/);
    const next = await place.open();
    expect(words(await collect(next.watch({ since: "oldest" }), () => true))).toEqual(["created"]);
    await place.open();
    expect((await readFile(await journalFile(), "utf8")).match(/"created"/g)).toHaveLength(1);
  });

  it("tells that an instance was deleted when whoever did it was killed before it could tell", async () => {
    const writer = await place.open();
    await (await writer.create(CONFIG)).delete();
    await writer[Symbol.asyncDispose]();
    await unsay(/"type":"deleted"/);
    const next = await place.open();
    expect(words(await collect(next.watch({ since: "oldest" }), isDeleted))).toEqual(["created", "deleted"]);
  });

  it("says nothing of a create that failed, and leaves no operation open", async () => {
    const host = await place.open();
    place.scripted.script.materialize = () => {
      throw new Error("no");
    };
    await expect(host.create(CONFIG)).rejects.toThrow("no");
    place.scripted.script = {};
    await host.create({ ...CONFIG, name: "b" });
    const seen = await collect(host.watch({ since: "oldest" }), () => true);
    expect(seen.map(({ instance }) => instance)).toEqual(["b"]);
  });
});

describe("a journal that cannot be used", () => {
  it("keeps nothing from working: each host hears itself, learns of others by use, and doctor() says why", async () => {
    const first = await place.open();
    await first[Symbol.asyncDispose]();
    rmSync(join(place.root, "journal"), { recursive: true });
    writeFileSync(join(place.root, "journal"), "");
    const [one, two] = [await place.open(), await place.open()];
    expect(String(await one.doctor())).toMatch(/journal: it cannot be used.*(?:EEXIST|ENOTDIR)/);
    const a = await one.create(CONFIG);
    const theirs = await two.get("a");
    const heard = collect(theirs.watch(), isDeleted);
    const seen = collect(a.watch(), isDeleted);
    await a.start();
    expect(await theirs.state()).toBe("running");
    await a.stop({ mode: "kill" });
    expect(await theirs.state()).toBe("stopped");
    await a.delete();
    await expect(theirs.state()).rejects.toMatchObject({ state: "deleted" });
    expect(words(await seen)).toEqual([
      "stopped→starting",
      "starting→running",
      "running→stopping",
      "stopping→stopped",
      "exit",
      "deleted",
    ]);
    expect(words(await heard).at(-1)).toBe("deleted");
    await expect(collect(one.watch({ since: "oldest" }))).rejects.toMatchObject({
      code: "ERR_WATCH_CURSOR",
      reason: "unreadable",
    });
  });

  it("is said to be damaged by doctor(), and later events are heard", async () => {
    const [one, two] = [await place.open(), await place.open()];
    await writeFile(await journalFile(), `\n{"event":{"type":"created","inst`, { flag: "a" });
    const seen = collect(two.watch(), (event) => event.type === "created");
    await one.create(CONFIG);
    expect(await seen).toMatchObject([{ type: "created", instance: "a", missed: 1 }]);
    expect(String(await two.doctor())).toContain("journal: 1 of its lines are damaged");
  });
});
