import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TimeoutError } from "../../../src/errors/all.ts";
import { ScriptedProcess, scriptedRoot } from "../scripted.ts";
import { runningInstance } from "../scripted-instance.ts";

// Node's own limit takes a gigabyte to reach.
vi.mock("../../../src/text/longest-text.ts", () => ({ LONGEST_TEXT: 1000, LONGEST_BUFFER: 2000 }));

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => {
  vi.useRealTimers();
  return place.dispose();
});

const unlimited = Number.POSITIVE_INFINITY;

it("keeps as much text of a run as a string holds, and kills a program that prints more", async () => {
  const { instance, process } = await runningInstance(place);
  const result = instance.run(["yes"], { maxOutput: unlimited });
  process.stdout.write("y".repeat(1001));
  const { stdout, truncated } = await result;
  expect([stdout.length, truncated, process.signals]).toEqual([1000, true, ["SIGKILL"]]);
});

it("keeps all bytes of a run, and as much of them as text as a string holds", async () => {
  const { instance, process } = await runningInstance(place);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let hear = () => {};
  const heard = new Promise<void>((resolve) => {
    hear = resolve;
  });
  const options = { maxOutput: unlimited, encoding: "buffer", timeout: 500, onStdout: () => hear() } as const;
  const result = instance.run(["yes"], options);
  result.catch(() => undefined);
  process.stdout.write(`${"y".repeat(1000)}\n`);
  await heard;
  await vi.advanceTimersByTimeAsync(500);
  vi.useRealTimers();
  const error: unknown = await result.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TimeoutError);
  expect((error as TimeoutError).result?.stdout).toHaveLength(1000);

  const whole = new ScriptedProcess();
  place.scripted.script.exec = async () => whole;
  const bytes = instance.run(["yes"], { maxOutput: unlimited, encoding: "buffer" });
  whole.stdout.write("y".repeat(1001));
  whole.finish({ kind: "exited", code: 0 });
  expect((await bytes).stdout).toHaveLength(1001);
});

it("keeps as many bytes of a run as a Buffer holds, and kills a program that prints more", async () => {
  const { instance, process } = await runningInstance(place);
  const result = instance.run(["yes"], { maxOutput: unlimited, encoding: "buffer" });
  process.stdout.write("y".repeat(2001));
  const { stdout, truncated } = await result;
  expect([stdout.length, truncated, process.signals]).toEqual([2000, true, ["SIGKILL"]]);
});

it("refuses to read a file that is longer than a Buffer", async () => {
  const { instance } = await runningInstance(place);
  place.scripted.script.files = { read: async () => Readable.from([Buffer.alloc(2001)]) };
  await expect(instance.files.readAll("/f", { maxSize: unlimited })).rejects.toMatchObject({ errno: "EFBIG" });
});

it("refuses to read a file as text that is longer than a string", async () => {
  const { instance } = await runningInstance(place);
  place.scripted.script.files = { read: async () => Readable.from([Buffer.alloc(1001)]) };
  await expect(instance.files.readText("/f", { maxSize: unlimited })).rejects.toMatchObject({ errno: "EFBIG" });
  expect(await instance.files.readAll("/f", { maxSize: unlimited })).toHaveLength(1001);
});
