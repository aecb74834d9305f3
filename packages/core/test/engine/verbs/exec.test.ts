import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectionError, TimeoutError } from "../../../src/errors/all.ts";
import type { SignalName } from "../../../src/terms/state.ts";
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

const running = (process?: ScriptedProcess, env?: Record<string, string>) => runningInstance(place, process, env);

const EXITED = { kind: "exited", code: 0 } as const;

describe("exec", () => {
  it("passes the request to the driver, with the call's environment over that of the configuration", async () => {
    const { instance, requests } = await running(new ScriptedProcess(), { A: "1", B: "1" });
    await instance.exec(["ls", "-l", ""], { env: { B: "2" }, cwd: "/tmp", user: "1000:100" });
    expect(requests).toEqual([
      { argv: ["ls", "-l", ""], env: { A: "1", B: "2" }, cwd: "/tmp", user: "1000:100", tty: undefined },
    ]);
  });

  it.each([
    ["an empty argv", [], {}, ["argv", 0]],
    ["an empty program name", [""], {}, ["argv", 0]],
    ["a NUL in an argument", ["a", "b\0c"], {}, ["argv", 1]],
    ["an argument that is not a string", ["a", 1], {}, ["argv", 1]],
    ["a relative folder", ["a"], { cwd: "tmp" }, ["cwd"]],
    ["a variable with an equals sign in its name", ["a"], { env: { "A=B": "1" } }, ["env", "A=B"]],
    ["a NUL in a variable", ["a"], { env: { A: "\0" } }, ["env", "A"]],
    ["a user that passwd cannot hold", ["a"], { user: "root:x" }, ["user"]],
    ["a terminal without columns", ["a"], { tty: { columns: 0, rows: 1 } }, ["tty", "columns"]],
    ["a signal that is none", ["a"], { signal: "SIGTERM" }, ["signal"]],
    ["a misspelt user", ["a"], { uesr: "nobody" }, ["uesr"]],
    ["a variable that an object cannot keep", ["a"], { env: JSON.parse('{"__proto__":"1"}') }, ["env", "__proto__"]],
    ["one argument beyond what Linux takes", ["a", "x".repeat(131_072)], {}, ["argv", 1]],
    ["one variable beyond what Linux takes", ["a"], { env: { A: "x".repeat(131_070) } }, ["env", "A"]],
    ["more arguments than Linux takes", Array.from({ length: 60 }, () => "x".repeat(100_000)), {}, ["argv"]],
  ])("refuses %s before the driver sees it", async (_, argv, options, path) => {
    const { instance, requests } = await running();
    await expect(instance.exec(argv as string[], options as never)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path }],
    });
    expect(requests).toEqual([]);
  });

  it("gives three streams, or one with a terminal", async () => {
    const { instance } = await running();
    const piped = await instance.exec(["cat"]);
    expect(Object.keys(piped)).toEqual(expect.arrayContaining(["stdin", "stdout", "stderr", "exit"]));
    place.scripted.script.exec = async () => new ScriptedProcess("tty");
    const terminal = await instance.exec(["sh"], { tty: { columns: 80, rows: 24 } });
    await terminal.resize({ columns: 100, rows: 30 });
    await expect(terminal.resize({ columns: -1, rows: 30 })).rejects.toMatchObject({ code: "ERR_CONFIG" });
    expect("stderr" in terminal).toBe(false);
  });

  it("kills a program inside that the driver started too late to notice the abort", async () => {
    const { instance, process } = await running();
    const controller = new AbortController();
    place.scripted.script.exec = async () => {
      controller.abort("changed my mind");
      return process;
    };
    await expect(instance.exec(["sleep"], { signal: controller.signal })).rejects.toBe("changed my mind");
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("kills the program inside when its signal aborts after it returned, but not after the program's end", async () => {
    const { instance, process } = await running();
    const controller = new AbortController();
    const { exit } = await instance.exec(["sleep"], { signal: controller.signal });
    controller.abort();
    expect(await exit).toEqual({ kind: "signaled", signal: "SIGKILL" });
    const second = new ScriptedProcess();
    place.scripted.script.exec = async () => second;
    const other = new AbortController();
    const handle = await instance.exec(["true"], { signal: other.signal });
    second.finish(EXITED);
    await handle.exit;
    other.abort();
    await new Promise(setImmediate);
    expect([process.signals, second.signals]).toEqual([["SIGKILL"], []]);
  });

  it("kills the program inside when its time is up, and says so", async () => {
    const { instance, process } = await running();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const handle = await instance.exec(["sleep"], { timeout: 20 });
    expect(handle.timedOut).toBe(false);
    await vi.advanceTimersByTimeAsync(20);
    await handle.exit;
    expect([process.signals, handle.timedOut]).toEqual([["SIGKILL"], true]);
  });

  it("whose time is up before it returned rejects with TimeoutError", async () => {
    const { instance } = await running();
    place.scripted.script.exec = (_, signal) => untilAborted(signal);
    await expect(instance.exec(["sleep"], { timeout: 10 })).rejects.toBeInstanceOf(TimeoutError);
  });

  it("accepts no line listeners with a terminal", async () => {
    const { instance, requests } = await running();
    const options = { tty: { columns: 80, rows: 24 }, onStderr: () => undefined };
    await expect(instance.exec(["sh"], options)).rejects.toMatchObject({ issues: [{ path: ["onStderr"] }] });
    expect(requests).toEqual([]);
  });

  it("delivers lines to its listeners, and everything to a reader that begins at once", async () => {
    const { instance, process } = await running();
    const lines: string[] = [];
    const { stdout } = await instance.exec(["cat"], { onStdout: (line) => lines.push(line) });
    process.stdout.write("a\nb");
    const all = text(stdout);
    process.stdout.write("c\n");
    process.finish(EXITED);
    expect([await all, lines]).toEqual(["a\nbc\n", ["a", "bc"]]);
  });

  it("kills with a signal by name, by default SIGTERM, after the end too, but not after disposing", async () => {
    const { instance, process } = await running();
    const handle = await instance.exec(["sleep"]);
    await expect(handle.kill("SIGNONE" as never)).rejects.toMatchObject({ code: "ERR_CONFIG" });
    await handle.kill();
    expect(await handle.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
    await handle.kill("SIGINT");
    await handle[Symbol.asyncDispose]();
    await handle.kill("SIGKILL");
    expect(process.signals).toEqual(["SIGTERM", "SIGINT"]);
  });

  it.each(["SIGRTMIN+3", "SIGRTMAX-27"])("kills by the real-time signal %s", async (name) => {
    const { instance, process } = await running();
    const handle = await instance.exec(["sleep"]);
    await handle.kill(name as SignalName);
    expect(process.signals).toEqual(["SIGRTMIN+3"]);
  });

  it("accepts arguments just within the limits", async () => {
    const { instance, requests } = await running();
    await instance.exec(["a", ...Array.from({ length: 13 }, () => "x".repeat(131_071))], {
      env: { A: "x".repeat(131_069) },
    });
    expect(requests).toHaveLength(1);
  });

  it.each(["pipes", "tty"] as const)("whose streams fail without a listener does no harm: %s", async (kind) => {
    const { instance, process } = await running(new ScriptedProcess(kind));
    if (kind === "tty") await instance.exec(["true"], { tty: { columns: 80, rows: 24 } });
    else await instance.exec(["true"]);
    for (const stream of kind === "tty" ? [process.tty] : [process.stdin, process.stdout, process.stderr])
      stream.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    await new Promise(setImmediate);
  });

  it("closes the input of a program that has ended, even if its owner never does", async () => {
    const { instance, process } = await running();
    const { stdin, exit } = await instance.exec(["true"]);
    process.finish(EXITED);
    await exit;
    expect(stdin.destroyed).toBe(true);
  });

  it("disposed in a frozen instance does not wait for the thaw, when the kill takes effect", async () => {
    const { instance, process } = await running();
    const handle = await instance.exec(["sleep"]);
    process.kill = async (signal) => void process.signals.push(signal);
    await instance.freeze();
    await handle[Symbol.asyncDispose]();
    expect(process.signals).toEqual(["SIGKILL"]);
  });

  it("disposed waits at most a second for a program that does not die", async () => {
    const { instance, process } = await running();
    const handle = await instance.exec(["sleep"]);
    process.kill = async (signal) => void process.signals.push(signal);
    const began = performance.now();
    await handle[Symbol.asyncDispose]();
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it("disposed kills and waits; a second time does nothing", async () => {
    const { instance, process } = await running();
    const handle = await instance.exec(["sleep"]);
    await handle[Symbol.asyncDispose]();
    await handle[Symbol.asyncDispose]();
    expect(process.signals).toEqual(["SIGKILL"]);
    expect(process.stdout.destroyed).toBe(true);
  });

  it("whose connection is lost causes no unhandled rejection when its exit is not used", async () => {
    const { instance, process } = await running();
    place.scripted.script.exec = async () =>
      Object.assign(process, { exit: Promise.reject(new ConnectionError("agent", "gone")) });
    const handle = await instance.exec(["sleep"]);
    await new Promise(setImmediate);
    await handle[Symbol.asyncDispose]();
  });

  it("of an instance that ends meanwhile rejects with how it ended and its last output", async () => {
    const { instance } = await running();
    const lost = new ConnectionError("its init", "it has ended");
    place.scripted.script.exec = async () => {
      setImmediate(() => place.scripted.runs.get("a")?.end({ kind: "exited", code: 3 }));
      throw lost;
    };
    const refusal = {
      code: "ERR_INSTANCE_STATE",
      state: "stopped",
      exit: { reason: "program", status: { kind: "exited", code: 3 } },
      lastLines: "log of a",
      message:
        'cannot exec in instance "a": it is stopped and must be running: start() it; it exited with 3; its last output: log of a',
    };
    const both = [instance.exec(["a"]), instance.run(["a"])];
    await Promise.all(both.map((refused) => expect(refused).rejects.toMatchObject(refusal)));
  });

  it("of an instance that takes long to end rejects likewise, if the driver knows that it is ending", async () => {
    const { instance } = await running();
    place.scripted.script.isEnding = () => true;
    place.scripted.script.exec = async () => {
      setTimeout(() => place.scripted.runs.get("a")?.end({ kind: "exited", code: 3 }), 2500);
      throw new ConnectionError("its init", "it has ended");
    };
    await expect(instance.exec(["a"])).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
  });

  it("that the end of the instance breaks off says of that end what is on record, to the millisecond", async () => {
    const { instance } = await running();
    let now = Date.now();
    const clock = vi.spyOn(Date, "now").mockImplementation(() => ++now);
    try {
      place.scripted.script.exec = async () => {
        setImmediate(() => place.scripted.run("a").end({ kind: "exited", code: 3 }));
        throw new ConnectionError("the guest", "it has gone");
      };
      const refused = await instance.exec(["true"]).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "ERR_INSTANCE_STATE", exit: (await instance.inspect()).exit });
    } finally {
      clock.mockRestore();
    }
  });

  it("whose instance ended before its program rejects likewise", async () => {
    const { instance, process } = await running();
    place.scripted.script.exec = async () => {
      setImmediate(() => place.scripted.run("a").end({ kind: "signaled", signal: "SIGSEGV" }));
      return Object.assign(process, { exit: Promise.reject(new ConnectionError("its init", "it has ended")) });
    };
    const refusal = { code: "ERR_INSTANCE_STATE", message: expect.stringContaining("it was ended by SIGSEGV") };
    await expect(instance.run(["a"])).rejects.toMatchObject(refusal);
  });

  it("whose connection is lost while its instance runs on rejects with that, and obeys an abort meanwhile", async () => {
    const { instance } = await running();
    place.scripted.script.exec = () => Promise.reject(new ConnectionError("its agent", "it was killed"));
    await expect(instance.exec(["a"])).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    const controller = new AbortController();
    const refused = instance.exec(["a"], { signal: controller.signal });
    setImmediate(() => controller.abort("enough"));
    await expect(refused).rejects.toBe("enough");
  });

  it("says nothing of the log of an instance that was stopped, or whose log cannot be read", async () => {
    const { instance } = await running();
    await instance.stop();
    const refusal = { exit: { reason: "requested" }, lastLines: undefined };
    await expect(instance.run(["a"])).rejects.toMatchObject({
      ...refusal,
      message: expect.stringMatching(/running: start\(\) it$/),
    });
  });

  it("is refused while stopped, and when the driver lacks it or the instance lacks it now", async () => {
    const { instance } = await running();
    place.scripted.script.lacks = (capability) => (capability === "exec" ? "no agent in this guest" : undefined);
    expect(instance.can("exec")).toBe(false);
    await expect(instance.exec(["a"])).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED",
      capability: "exec",
      reason: "no agent in this guest",
    });
    await instance.stop();
    expect(instance.can("exec")).toBe(true);
    await expect(instance.exec(["a"])).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "stopped" });
  });
});

describe("an instance whose driver lacks a capability", () => {
  it("answers every call of it with UnsupportedError, never with TypeError", async () => {
    const host = await place.open(["freeze"]);
    const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
    await instance.start();
    // What plain JavaScript could call.
    const anything = (await host.get("a")) as unknown as import("../../../src/contract/instance.ts").Instance<
      "exec" | "files" | "network" | "metrics" | "logs"
    >;
    for (const call of [
      () => anything.exec(["a"]),
      () => anything.run(["a"]),
      () => anything.files.stat("/"),
      () => anything.addresses(),
      () => anything.metrics(),
      () => anything.logs({ stream: "stdout" }),
    ])
      await expect(call()).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
    expect([instance.can("freeze"), instance.can("exec")]).toEqual([true, false]);
  });
});
