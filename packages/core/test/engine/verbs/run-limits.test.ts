import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scriptedRoot, untilAborted } from "../scripted.ts";
import { runningInstance } from "../scripted-instance.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const EXITED = { kind: "exited", code: 0 } as const;

describe("run", () => {
  it("listens to a caller's signal once, however many calls it was given to", async () => {
    const { instance } = await runningInstance(place);
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = () => getEventListeners(signal, "abort").length;
    place.scripted.script.exec = (_, aborted) => untilAborted(aborted);
    const runs = Array.from({ length: 15 }, () => instance.run(["a"], { signal }));
    const watchers = Array.from({ length: 15 }, () => instance.watch({ signal }));
    expect(listeners()).toBe(1);
    controller.abort("enough");
    for (const run of runs) await expect(run).rejects.toBe("enough");
    for (const watcher of watchers) await expect(watcher[Symbol.asyncIterator]().next()).rejects.toBe("enough");
    expect(listeners()).toBe(0);
  });

  it("leaves out a character that the limit cuts in two, and keeps its bytes", async () => {
    const { instance, process } = await runningInstance(place);
    const text = instance.run(["print"], { maxOutput: 5 });
    process.stdout.write("ééé");
    process.finish(EXITED);
    expect(await text).toMatchObject({ stdout: "\u00e9\u00e9", truncated: true });
  });
});
