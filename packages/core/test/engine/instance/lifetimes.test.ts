import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Lifetimes } from "../../../src/engine/instance/lifetimes.ts";

let closing: AbortController;
let ended: string[];
let lifetimes: Lifetimes;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  closing = new AbortController();
  ended = [];
  lifetimes = new Lifetimes(async (name) => void ended.push(name), closing.signal);
});
afterEach(() => vi.useRealTimers());

const after = (ms: number) => Date.now() + ms;

it("ends each instance when its lifetime has ended, with one timer, in any order", async () => {
  lifetimes.note("late", after(3000));
  lifetimes.note("soon", after(1000));
  lifetimes.note("past", after(-5));
  lifetimes.note("never", undefined);
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(0);
  expect(ended).toEqual(["past"]);
  await vi.advanceTimersByTimeAsync(999);
  expect(ended).toEqual(["past"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(ended).toEqual(["past", "soon"]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(ended).toEqual(["past", "soon", "late"]);
  expect(vi.getTimerCount()).toBe(0);
});

it("waits for a lifetime that is longer than a timer can sleep", async () => {
  lifetimes.note("a", after(2 ** 31 + 5000));
  await vi.advanceTimersByTimeAsync(2 ** 31 + 4000);
  expect(ended).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(ended).toEqual(["a"]);
});

it("notices a change of the clock within a minute", async () => {
  lifetimes.note("a", after(3_600_000));
  vi.setSystemTime(after(7_200_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ended).toEqual(["a"]);
});

it("reports an instance that could not be ended, and tries again after a minute", async () => {
  let broken = true;
  lifetimes = new Lifetimes(async (name) => {
    if (broken) throw new Error("no answer");
    ended.push(name);
  }, closing.signal);
  lifetimes.note("a", after(10));
  await vi.advanceTimersByTimeAsync(10);
  expect([...lifetimes.failures]).toEqual([["a", "no answer"]]);
  broken = false;
  await vi.advanceTimersByTimeAsync(59_999);
  expect(ended).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(ended).toEqual(["a"]);
  expect([...lifetimes.failures]).toEqual([]);
});

it("ends nothing once the host is disposed", async () => {
  lifetimes.note("a", after(10));
  closing.abort();
  lifetimes.note("b", after(5));
  await vi.advanceTimersByTimeAsync(1000);
  expect(ended).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
