import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigError, TimeoutError } from "../../../src/errors/all.ts";
import { ScriptedProcess, scriptedRoot, untilAborted } from "../scripted.ts";
import { runningInstance } from "../scripted-instance.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => {
  vi.useRealTimers();
  return place.dispose();
});

/** From now on time passes only as a test says. */
const stopTheClock = () =>
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });

/** A listener, and a promise for the first line that it hears. */
function line() {
  let listener = () => {};
  const heard = new Promise<void>((resolve) => {
    listener = resolve;
  });
  return { listener, line: heard };
}

const running = (process?: ScriptedProcess, env?: Record<string, string>) => runningInstance(place, process, env);

const EXITED = { kind: "exited", code: 0 } as const;

describe("run", () => {
  it("collects both streams and the exit, and writes and ends the input", async () => {
    const { instance, process } = await running();
    const input = text(process.stdin);
    const result = instance.run(["cat"], { input: Readable.from([Buffer.from("a"), Buffer.from("b")]) });
    expect(await input).toBe("ab");
    process.stdout.write("out");
    process.stderr.write("err");
    process.finish({ kind: "exited", code: 3 });
    expect(await result).toEqual({
      stdout: "out",
      stderr: "err",
      exitCode: 3,
      signal: undefined,
      failed: true,
      timedOut: false,
      truncated: false,
      oom: false,
      durationMs: expect.any(Number),
      exit: { kind: "exited", code: 3 },
    });
  });

  it("ends with its program, even if a background process holds its output", async () => {
    const { instance, process } = await running();
    Object.assign(process, { exit: Promise.resolve(EXITED) });
    stopTheClock();
    const heard = line();
    const result = instance.run(["sh"], { onStdout: heard.listener });
    process.stdout.write("hi\n");
    await heard.line;
    await vi.advanceTimersByTimeAsync(50);
    process.stdout.write("late\n");
    let settled = false;
    result.finally(() => {
      settled = true;
    });
    await vi.waitFor(() => expect(settled).toBe(true), { interval: 10, timeout: 20_000 });
    const { durationMs, ...rest } = await result;
    expect(rest).toMatchObject({ stdout: "hi\nlate\n", stderr: "", failed: false });
    // Without the time that its output was waited for.
    expect(durationMs).toBeLessThan(50);
    expect([process.signals, process.stdout.destroyed]).toEqual([[], true]);
  });

  it("ends with its program, even if a background process keeps printing", async () => {
    const { instance, process } = await running();
    Object.assign(process, { exit: Promise.resolve(EXITED) });
    stopTheClock();
    const began = performance.now();
    let settled = false;
    const result = instance.run(["sh"]).finally(() => {
      settled = true;
    });
    const chatter = setInterval(() => process.stdout.write("."), 20);
    await vi.waitFor(() => expect(settled).toBe(true), { interval: 10, timeout: 20_000 });
    clearInterval(chatter);
    expect((await result).exit).toEqual(EXITED);
    expect(performance.now() - began).toBeGreaterThanOrEqual(1000);
  });

  it("waits a tenth of a second, not a whole one, for output after its program's end", async () => {
    const { instance, process } = await running();
    Object.assign(process, { exit: Promise.resolve(EXITED) });
    stopTheClock();
    let settled = false;
    const result = instance.run(["sh"]).finally(() => {
      settled = true;
    });
    const began = performance.now();
    await vi.waitFor(() => expect(settled).toBe(true), { interval: 10, timeout: 20_000 });
    expect((await result).exit).toEqual(EXITED);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it("rejects at once in a frozen instance when its time is up, and has sent the kill", async () => {
    const { instance, process, asked } = await running();
    process.kill = async (signal) => void process.signals.push(signal);
    stopTheClock();
    const run = instance.run(["sleep"], { timeout: 100 });
    run.catch(() => undefined);
    await asked;
    await instance.freeze();
    await vi.advanceTimersByTimeAsync(100);
    await expect(run).rejects.toBeInstanceOf(TimeoutError);
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("ends the input at once when there is none", async () => {
    const { instance, process } = await running();
    const result = instance.run(["cat"]);
    expect(await buffer(process.stdin)).toHaveLength(0);
    process.finish(EXITED);
    await result;
  });

  it("does not wait for a program to read its input", async () => {
    const { instance, process } = await running();
    const result = instance.run(["true"], { input: Buffer.alloc(1024 * 1024) });
    process.finish(EXITED);
    expect((await result).exit).toEqual(EXITED);
  });

  it("kills the program when its time is up, and says so", async () => {
    const { instance, process, asked } = await running();
    stopTheClock();
    const run = instance.run(["sleep"], { timeout: 10 });
    run.catch(() => undefined);
    await asked;
    await vi.advanceTimersByTimeAsync(10);
    await expect(run).rejects.toBeInstanceOf(TimeoutError);
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("aborted kills the program and rejects with the reason itself", async () => {
    const { instance, process, asked } = await running();
    const controller = new AbortController();
    const run = instance.run(["sleep"], { signal: controller.signal });
    void asked.then(() => controller.abort("enough"));
    await expect(run).rejects.toBe("enough");
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it.each([
    ["a number", 5, "a value of type number"],
    ["null", null, "null"],
    ["a list", [1], "a list"],
  ])("kills the program whose input yields %s, and rejects with ConfigError", async (_what, piece, told) => {
    const { instance, process } = await running();
    const input = (async function* () {
      yield piece as never;
    })();
    const message = expect.stringContaining(`must yield Uint8Arrays or strings, but yielded ${told}`);
    await expect(instance.run(["cat"], { input })).rejects.toMatchObject({ code: "ERR_CONFIG", message });
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("refuses a stream of objects in the same way", async () => {
    const { instance } = await running();
    const refused = instance.run(["cat"], { input: Readable.from([{ a: 1 }]) });
    await expect(refused).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });

  it("kills the program whose input fails, and rejects with that failure", async () => {
    const { instance, process } = await running();
    const fault = new Error("source broke");
    const input = (async function* () {
      yield Buffer.from("a");
      throw fault;
    })();
    await expect(instance.run(["cat"], { input })).rejects.toBe(fault);
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("keeps only maxOutput bytes of each stream, and kills beyond that", async () => {
    const { instance, process } = await running();
    let hear = (_: string) => {};
    const first = new Promise<string>((resolve) => {
      hear = resolve;
    });
    const result = instance.run(["yes"], { maxOutput: 7, onStdout: (line) => hear(line) });
    process.stdout.write("yyyy\n");
    // Else the two would come as one.
    await first;
    process.stdout.write("yyyy\n");
    expect(await result).toMatchObject({
      stdout: "yyyy\nyy",
      stderr: "",
      truncated: true,
      failed: true,
      signal: "SIGKILL",
      oom: false,
    });
  });

  it("is not truncated when the program prints exactly maxOutput bytes", async () => {
    const { instance, process } = await running();
    const result = instance.run(["printf"], { maxOutput: 5, encoding: "buffer" });
    process.stdout.write("yyyyy");
    process.finish(EXITED);
    expect(await result).toMatchObject({ stdout: Buffer.from("yyyyy"), truncated: false, failed: false });
  });

  it.each([{ maxOutput: Number.NaN }, { maxOutput: 1.5 }, { timeout: -1 }])(
    "with %j is refused, because it is not a limit",
    async (options) => {
      const { instance, process } = await running();
      await expect(instance.run(["a"], options)).rejects.toThrow(ConfigError);
      expect(process.signals).toEqual([]);
    },
  );

  it.each([
    [{ uesr: "nobody" }, /uesr: unknown key; did you mean "user"/],
    [{ timout: 5 }, /timout: unknown key; did you mean "timeout"/],
    [{ tty: { columns: 80, rows: 24 } }, /tty: unknown key/],
    [{ input: 5 }, /input: must be a string, a Uint8Array/],
  ])("with %j is refused before anything runs, and says what was meant", async (options, told) => {
    const { instance, requests } = await running();
    const error: unknown = await instance.run(["id"], options as never).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(told);
    expect(requests).toEqual([]);
  });

  it("leaves the driver to end what it is still starting on abort", async () => {
    const { instance } = await running();
    place.scripted.script.exec = (_, signal) => untilAborted(signal);
    await expect(instance.run(["a"], { timeout: 10 })).rejects.toBeInstanceOf(TimeoutError);
  });

  it("gives the output so far when its time is up, and none when it had not begun", async () => {
    const { instance, process } = await running();
    stopTheClock();
    const heard = line();
    const run = instance.run(["sleep"], { timeout: 50, onStdout: heard.listener });
    run.catch(() => undefined);
    process.stdout.write("so\nfar");
    await heard.line;
    await vi.advanceTimersByTimeAsync(50);
    await expect(run).rejects.toMatchObject({
      message: expect.stringMatching(/did not finish within 50 ms: its last output: so \| far$/),
      timeout: 50,
      result: { stdout: "so\nfar", timedOut: true, failed: true },
    });
    vi.useRealTimers();
    place.scripted.script.exec = (_, signal) => untilAborted(signal);
    await expect(instance.run(["sleep"], { timeout: 10 })).rejects.toMatchObject({ result: undefined });
  });

  it("delivers the lines that had begun when its time is up, before it rejects, and none later", async () => {
    const { instance, process } = await running();
    const lines: string[] = [];
    stopTheClock();
    const heard = line();
    const run = instance.run(["sleep"], {
      timeout: 50,
      onStdout: (text) => {
        lines.push(text);
        heard.listener();
      },
      onStderr: () => {
        throw new Error("too late");
      },
    });
    run.catch(() => undefined);
    process.stderr.write("begun");
    process.stdout.write("one\ntw");
    await heard.line;
    await vi.advanceTimersByTimeAsync(50);
    await expect(run).rejects.toMatchObject({ timeout: 50, result: { stdout: "one\ntw", stderr: "begun" } });
    expect(lines).toEqual(["one", "tw"]);
  });

  it("is aborted, not out of time, when the abort came first", async () => {
    const { instance, asked } = await running();
    const controller = new AbortController();
    const run = instance.run(["sleep"], { timeout: 60_000, signal: controller.signal });
    void asked.then(() => controller.abort("enough"));
    await expect(run).rejects.toBe("enough");
  });

  it("with check rejects with everything known about a failure, in one printable line", async () => {
    const { instance, process } = await running();
    const run = instance.run(["make"], { check: true, encoding: "buffer" });
    process.stdout.write("out");
    process.stderr.write("1\n2\n3\n4\n5\n\x1b[31mno rule\n");
    process.finish({ kind: "exited", code: 2 });
    await expect(run).rejects.toMatchObject({
      name: "RunError",
      code: "ERR_RUN",
      message: 'make in "a" exited with 2: 2 | 3 | 4 | 5 | \ufffd[31mno rule',
      result: { stdout: "out", exitCode: 2 },
    });
  });

  it("reports truncated, and no kill, for a program that printed too much before it ended by itself", async () => {
    const { instance, process } = await running();
    const run = instance.run(["make"], { check: true, maxOutput: 2 });
    process.stdout.write("out");
    process.finish({ kind: "exited", code: 0 });
    await expect(run).rejects.toMatchObject({
      message: 'make in "a" printed more than maxOutput',
      result: { stdout: "ou", exitCode: 0, truncated: true, failed: true },
    });
  });

  it.each([
    ["that it killed itself", "SIGKILL", true, true, false],
    ["by another signal", "SIGTERM", false, true, false],
    ["by a SIGKILL of others, while the OOM killer killed", "SIGKILL", false, true, true],
    ["by a SIGKILL of others, while it did not", "SIGKILL", false, false, false],
    ["by a SIGKILL of others, where the driver cannot count", "SIGKILL", false, undefined, false],
  ] as const)("reports oom for an end %s only if memory ran out", async (_, signal, ours, killed, oom) => {
    const process = new ScriptedProcess();
    if (killed !== undefined) Object.assign(process, { ranOutOfMemory: async () => killed });
    const { instance } = await running(process);
    const run = instance.run(["greedy"], { maxOutput: 1 });
    if (ours) process.stdout.write("too much");
    else process.finish({ kind: "signaled", signal });
    expect((await run).oom).toBe(oom);
  });

  it("rejects with what a listener throws, and kills the program", async () => {
    const { instance, process } = await running();
    const fault = new Error("no more");
    const run = instance.run(["yes"], {
      onStderr: () => {
        throw fault;
      },
    });
    process.stderr.write("a\n");
    await expect(run).rejects.toBe(fault);
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("releases what the driver holds for it", async () => {
    const process = new ScriptedProcess();
    let released = 0;
    const release = () => {
      released += 1;
    };
    Object.assign(process, { release });
    const { instance } = await running(process);
    const run = instance.run(["true"]);
    process.finish(EXITED);
    await run;
    expect(released).toBe(1);
  });
});
