import { once } from "node:events";
import { PassThrough } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import type { BackendConsole } from "../../../src/contract/backend-console.ts";
import { OpenConsole } from "../../../src/engine/program/console.ts";

const CONSOLE: Omit<BackendConsole, "output"> = {
  claim: async () => ({ granted: true }) as never,
  write: async () => undefined,
  release: async () => undefined,
  resize: async () => undefined,
  onTaken: () => undefined,
} as never;

it("ends with the reason of a failure, however long that takes to find, and not as if all had been read", async () => {
  const output = new PassThrough();
  let find: (reason: Error) => void = () => undefined;
  const reason = new Promise<Error>((resolve) => {
    find = resolve;
  });
  const console = new OpenConsole("db", { ...CONSOLE, output } as BackendConsole, {
    over: new AbortController().signal,
    failed: () => reason,
  });
  let ended = false;
  console.once("end", () => {
    ended = true;
  });
  const failure = once(console, "error");
  console.resume();
  const closed = new Promise<void>((resolve) => output.once("close", () => resolve()));
  output.destroy(new Error("the keeper is gone"));
  await closed;
  await setImmediate();
  expect(console.destroyed).toBe(false);
  const why = new Error("the run has ended");
  find(why);
  expect(await failure).toEqual([why]);
  expect(ended).toBe(false);
});

it("gives everything that waits to be typed the reason when the run ends, also what has waited behind other writes", async () => {
  const output = new PassThrough();
  const over = new AbortController();
  const why = new Error("the run has ended");
  let finish: () => void = () => undefined;
  const write = () =>
    new Promise<void>((resolve) => {
      finish = resolve;
    });
  const backend = { ...CONSOLE, output, write } as BackendConsole;
  const console = new OpenConsole("db", backend, { over: over.signal, failed: async () => why });
  const typed = new Promise((resolve) => {
    console.resume().write("first");
    console.write("second", resolve);
  });
  await setImmediate();
  over.abort();
  output.end();
  await once(console, "close");
  finish();
  expect(await typed).toBe(why);
});
