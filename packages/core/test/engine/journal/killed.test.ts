import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { segmentNumbers } from "../../../src/engine/journal/segment.ts";
import { journalFolder, past } from "./support.ts";

let place: ReturnType<typeof journalFolder>;
beforeEach(() => {
  place = journalFolder();
});
afterEach(() => place.dispose());

/** Numbers below `limit` from a seed: a linear congruential generator modulo 2^31. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * limit);
  };
}

/** A process that appends until it is killed. */
async function append(name: string) {
  const script = fileURLToPath(new URL("appender.ts", import.meta.url));
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [
    "--import",
    "tsx",
    script,
    place.folder,
    name,
  ]);
  let said = "";
  let errors = "";
  child.stdout.on("data", (data: Buffer) => {
    said += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  await once(child.stdout, "data");
  return {
    begin: () => child.stdin.write("go\n"),
    async kill() {
      child.kill("SIGKILL");
      await once(child, "close");
      expect(errors).toBe("");
      const last = Number(said.split("\n").at(-2));
      return { name, count: last };
    },
  };
}

it("loses nothing, keeps one order and goes on when eight processes that append are killed at random moments", async () => {
  const seed = randomInt(2 ** 31);
  console.log(`seed ${seed}`);
  const random = numbers(seed);
  const watching = place.open({ segmentBytes: 20_000, segments: 1000 });
  const appending = await Promise.all(Array.from({ length: 8 }, (_, index) => append(`p${index}`)));
  for (const process of appending) process.begin();
  const ended: { readonly name: string; readonly count: number }[] = [];
  while (appending.length > 0) {
    await setTimeout(random(100));
    const [victim] = appending.splice(random(appending.length), 1);
    if (victim !== undefined) ended.push(await victim.kill());
    watching.journal.readOn();
  }
  watching.journal.publish([{ type: "created", instance: "last", uuid: "", at: 0 }]);
  expect(segmentNumbers(place.folder).length).toBeGreaterThan(2);
  // What is read later is what a process has heard that was there all the time.
  expect(past(watching.journal)).toEqual({ names: watching.names, missed: 0 });
  expect(watching.missed).toBe(0);
  const open = place.open().journal.openOperations();
  for (const { name, count } of ended) {
    const own = watching.names.filter((heard) => heard.startsWith(`${name}-`));
    // Of what it was doing when it died, all is there or nothing.
    const done = own.length / 2;
    expect([count - 1, count]).toContain(done);
    expect(own).toEqual(
      Array.from({ length: done }, (_, index) => [`${name}-${index + 1}`, `${name}-${index + 1}-too`]).flat(),
    );
    // The last that was begun is open; also the one before, if it died between the begin and the end. None is, if it died
    // before the first.
    const left = open.filter(({ instance }) => instance.startsWith(`${name}-`)).map(({ instance }) => instance);
    const possible = [[`${name}-${done}`], [`${name}-${done}`, `${name}-${done + 1}`]];
    expect(count === 0 ? [[], ...possible] : possible).toContainEqual(left);
  }
});
