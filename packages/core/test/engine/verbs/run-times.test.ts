import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TimeoutError } from "../../../src/errors/all.ts";
import { scriptedRoot } from "../scripted.ts";
import { runningInstance } from "../scripted-instance.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => {
  vi.useRealTimers();
  return place.dispose();
});

/** A run whose program starts 40 ms after the call. From the call on, time passes only as a test says. */
async function slowlyStarted(timeout?: number) {
  const { instance, process } = await runningInstance(place);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  let ask = () => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  place.scripted.script.exec = async () => {
    ask();
    await new Promise((resolve) => setTimeout(resolve, 40));
    return process;
  };
  const run = instance.run(["job"], { timeout });
  run.catch(() => undefined);
  await asked;
  await vi.advanceTimersByTimeAsync(40);
  return { run, process };
}

describe("the times of a run", () => {
  it("has the duration of the program, without its start", async () => {
    const { run, process } = await slowlyStarted();
    await vi.advanceTimersByTimeAsync(25);
    process.finish({ kind: "exited", code: 0 });
    expect(await run).toMatchObject({ durationMs: 25, failed: false });
  });

  it("counts its timeout from the call, and the duration of what it cut short from the start of the program", async () => {
    const { run, process } = await slowlyStarted(100);
    await vi.advanceTimersByTimeAsync(59);
    expect(process.signals).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    await expect(run).rejects.toBeInstanceOf(TimeoutError);
    await expect(run).rejects.toMatchObject({ timeout: 100, result: { durationMs: 60, timedOut: true } });
    expect(process.signals).toEqual(["SIGKILL"]);
  });
});
