import { PassThrough } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import type { Backend, InstanceContext } from "../../../src/contract/backend.ts";
import { gateBackend } from "../../../src/engine/gate/gate.ts";
import type { AnyRunning } from "../../../src/engine/run/run.ts";

// A driver that pays no heed to any signal, and answers when the test lets it.

/** As the engine has a run that a driver found. */
async function gated(running: object): Promise<AnyRunning> {
  const done = async () => undefined;
  const core = { exited: new Promise(() => undefined), kill: done, shutdown: done, detach: done };
  const backend = { adopt: async () => ({ ...core, ...running }) } as unknown as Backend<never>;
  const found = await gateBackend("deaf", backend).adopt({ name: "a" } as InstanceContext, {});
  return found ?? expect.unreachable();
}

function deferred<T>() {
  let settle: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}

/** Aborts `call` while it is under way, and looks that it ends at once. */
async function aborted(call: (signal: AbortSignal) => Promise<unknown> | undefined): Promise<void> {
  const controller = new AbortController();
  const answer = call(controller.signal);
  await Promise.resolve();
  controller.abort("enough");
  await expect(answer).rejects.toBe("enough");
}

const closed = (stream: PassThrough) => new Promise<void>((resolve) => stream.once("close", resolve));

describe("an answer of a driver after the caller's abort", () => {
  it.each(["pipes", "tty"] as const)("is killed if it is a program on %s, and its streams are closed", async (kind) => {
    const answer = deferred<unknown>();
    const { exec } = await gated({ exec: () => answer.promise });
    const tty = kind === "tty" ? { columns: 80, rows: 24 } : undefined;
    await aborted((signal) => exec?.({ argv: ["x"], env: {}, cwd: "/", user: undefined, tty }, { signal }));
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const streams = kind === "tty" ? { kind, tty: stdin } : { kind, stdin, stdout, stderr };
    const all = kind === "tty" ? [stdin] : [stdin, stdout, stderr];
    const killed = deferred<string>();
    const kill = async (signal: string) => killed.settle(signal);
    answer.settle({ streams, exit: Promise.reject(new Error("gone")), kill, resize: async () => undefined });
    expect(await killed.promise).toBe("SIGKILL");
    await Promise.all(all.map(closed));
  });

  it.each(["read", "readTree", "write", "writeTree"] as const)("is closed if it is a stream to %s", async (verb) => {
    const answer = deferred<unknown>();
    const { files } = await gated({ files: { [verb]: () => answer.promise } });
    await aborted((signal) => files?.[verb]("/x", { signal }));
    const stream = new PassThrough();
    const over = closed(stream);
    answer.settle(verb.startsWith("read") ? stream : { stream, done: Promise.reject(new Error("cut short")) });
    await over;
  });
});

it.each(["read", "readTree"] as const)("an open stream of %s ends with the caller's reason", async (verb) => {
  const stream = new PassThrough();
  const { files } = await gated({ files: { [verb]: async () => stream } });
  const controller = new AbortController();
  await files?.[verb]("/x", { signal: controller.signal });
  const reason = new Error("enough");
  const failure = new Promise((resolve) => stream.once("error", resolve));
  controller.abort(reason);
  expect(await failure).toBe(reason);
});

it("a driver that has asked an instance to halt hears later that the caller gives up", async () => {
  const asked = vi.fn(async (_options: { readonly signal?: AbortSignal }) => undefined);
  const running = await gated({ shutdown: asked });
  const controller = new AbortController();
  await running.shutdown({ signal: controller.signal });
  controller.abort("enough");
  expect(asked.mock.calls[0]?.[0].signal?.reason).toBe("enough");
});

describe("a driver that does not answer", () => {
  const minutes = { isFrozen: 0.5, addresses: 3, metrics: 3, stat: 3, mkdir: 3, remove: 30 } as const;
  it.each(Object.entries(minutes))("is told to give %s up when the deadline has passed", async (step, time) => {
    let given: AbortSignal | undefined;
    const hang = (...options: readonly { readonly signal?: AbortSignal }[]) => {
      given = options.at(-1)?.signal;
      return new Promise<never>(() => undefined);
    };
    const running = await gated({ [step]: hang, files: { [step]: hang } });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const call =
        step === "stat" || step === "mkdir" || step === "remove"
          ? running.files?.[step]("/x", {})
          : running[step as "metrics"]?.({});
      const failure = expect(call).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
      expect(given?.aborted).toBe(false);
      await vi.advanceTimersByTimeAsync(time * 60_000);
      await failure;
      expect(given?.aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});
