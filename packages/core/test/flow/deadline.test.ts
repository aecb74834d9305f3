import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { TimeoutError } from "../../src/errors/all.ts";
import { abortable, Deadline, linkSignals, onAbort, withDeadline } from "../../src/flow/deadline.ts";

const never = new Promise<never>(() => {});
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("abortable", () => {
  it("gives the value, or the reason itself, and leaves no listener behind either way", async () => {
    const controller = new AbortController();
    expect(await abortable(Promise.resolve(1), controller.signal)).toBe(1);
    expect(listeners(controller.signal)).toBe(0);
    const waiting = abortable(never, controller.signal);
    controller.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    expect(listeners(controller.signal)).toBe(0);
    await expect(abortable(never, controller.signal)).rejects.toBe("enough");
  });

  it("causes no unhandled rejection if the promise fails after the abort", async () => {
    const controller = new AbortController();
    let fail: (error: Error) => void = () => {};
    const late = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const waiting = abortable(late, controller.signal);
    controller.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    fail(new Error("late"));
    await new Promise(setImmediate);
  });
});

describe("onAbort", () => {
  it("puts one listener on a signal, however many wait for it, and none when nobody does", () => {
    const controller = new AbortController();
    const told: number[] = [];
    const stops = Array.from({ length: 20 }, (_, index) => onAbort(controller.signal, () => told.push(index)));
    expect(listeners(controller.signal)).toBe(1);
    for (const stop of stops.slice(0, 18)) stop();
    stops[0]?.();
    expect(listeners(controller.signal)).toBe(1);
    for (const stop of stops) stop();
    expect(listeners(controller.signal)).toBe(0);
    const again = [21, 22, 23].map((one) => onAbort(controller.signal, () => told.push(one)));
    again[1]?.();
    controller.abort();
    expect(told).toEqual([21, 23]);
    for (const stop of again) stop();
    onAbort(controller.signal, () => told.push(24));
    expect(told).toEqual([21, 23, 24]);
    expect(listeners(controller.signal)).toBe(0);
  });

  it("does not call who stops while another is called", () => {
    const controller = new AbortController();
    const told: string[] = [];
    let stop = () => {};
    onAbort(controller.signal, () => stop());
    stop = onAbort(controller.signal, () => told.push("late"));
    controller.abort();
    expect(told).toEqual([]);
  });
});

describe("a deadline", () => {
  it("rejects with a TimeoutError that names the action, whether the work obeys its signal or not", async () => {
    const outcome = withDeadline({ action: "boot of web", timeout: 5, hint: "see its console" }, () => never);
    await expect(outcome).rejects.toBeInstanceOf(TimeoutError);
    await expect(outcome).rejects.toThrow("boot of web did not finish within 5 ms: see its console");
  });

  it("rejects with the caller's own reason when that comes first, and stops listening to the caller's signal", async () => {
    const controller = new AbortController();
    const outcome = withDeadline({ action: "x", timeout: 60_000, signal: controller.signal }, () => never);
    controller.abort("enough");
    await expect(outcome).rejects.toBe("enough");
    expect(listeners(controller.signal)).toBe(0);
  });

  it("never passes at Infinity, nor beyond what a timer can count", async () => {
    for (const timeout of [Number.POSITIVE_INFINITY, 2 ** 40]) {
      const deadline = new Deadline({ action: "x", timeout });
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(deadline.signal.aborted).toBe(false);
      deadline[Symbol.dispose]();
    }
  });
});

describe("linked signals", () => {
  it("abort with the first reason, also one that was there before, until disposed", () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const linked = linkSignals(a.signal, undefined, b.signal);
    b.abort("b");
    a.abort("a");
    expect(linked.signal.reason).toBe("b");
    expect(linkSignals(a.signal).signal.reason).toBe("a");
    const c = new AbortController();
    const unlinked = linkSignals(c.signal);
    unlinked[Symbol.dispose]();
    c.abort();
    expect(unlinked.signal.aborted).toBe(false);
  });
});
