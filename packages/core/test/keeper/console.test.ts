import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { BackendConsole } from "../../src/contract/backend-console.ts";
import { type ConsoleRun, OpenConsole } from "../../src/engine/program/console.ts";
import { keeperConsole } from "../../src/keeper/console.ts";
import { keep, places, shell } from "./support.ts";

const place = places();

const terminal = { columns: 80, rows: 24 };
/** As of a run that goes on. */
const going: ConsoleRun = { over: new AbortController().signal, failed: async (_verb, cause) => cause };
const opened = async (run: string) => new OpenConsole("box", await keeperConsole(run), going);

/** Collects what comes, and waits for it. */
function transcript(console: OpenConsole) {
  let seen = "";
  console.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
  });
  const has = (words: string) => expect.poll(() => seen, { timeout: 10_000, interval: 5 }).toContain(words);
  return { has, seen: () => seen };
}

describe("the console of a run", () => {
  it("shows the history first, goes on, and ends with the run", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("echo before; read a; echo got $a"), terminal });
    const first = await opened(folders.run);
    await transcript(first).has("before");
    const second = await opened(folders.run);
    const late = transcript(second);
    await late.has("before");
    const ends = Promise.all([once(first, "end"), once(second, "end")]);
    first.write("x\n");
    await late.has("got x");
    await ends;
    await keeper.exit;
  });

  it("has one writer: another is told who, and can take over, which the first is told", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("cat"), terminal });
    const [first, second, third] = [await opened(folders.run), await opened(folders.run), await opened(folders.run)];
    const shown = transcript(first);
    // Nobody reads this one: its writing must not wait for that.
    second.pause();
    first.write("one\n");
    await shown.has("one");
    const refused = once(third, "error");
    third.write("three\n");
    const [error] = (await refused) as [unknown];
    expect(error).toMatchObject({ code: "ERR_CONSOLE_BUSY", instance: "box", pid: process.pid });
    expect((error as { since: number }).since).toBeGreaterThan(Date.now() - 60_000);
    const taken = once(first, "taken");
    await second.claim({ take: true });
    expect(await taken).toMatchObject([{ pid: process.pid }]);
    second.write("two\n");
    await shown.has("two");
    const lost = once(first, "error");
    first.write("again\n");
    expect(await lost).toMatchObject([{ code: "ERR_CONSOLE_BUSY" }]);
    expect(shown.seen()).not.toContain("again");
    expect(shown.seen()).not.toContain("three");
    keeper.kill();
    await keeper.exit;
    second.destroy();
  });

  it("is free again once its writer has ended or destroyed the stream", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("cat"), terminal });
    const reader = await opened(folders.run);
    const shown = transcript(reader);
    for (const leave of ["end", "destroy"] as const) {
      const writer = await opened(folders.run);
      writer.resume();
      await new Promise((resolve) => writer.write(`${leave}\n`, resolve));
      await shown.has(leave);
      const done = once(writer, leave === "end" ? "finish" : "close");
      writer[leave]();
      await done;
    }
    await expect.poll(() => reader.claim({ take: false }).then(() => "free", String), { timeout: 5000 }).toBe("free");
    keeper.kill();
    await keeper.exit;
    reader.destroy();
  });

  it("gets another size", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("while read a; do stty size; done"), terminal });
    const console = await opened(folders.run);
    const shown = transcript(console);
    await console.resize({ columns: 101, rows: 37 });
    console.write("go\n");
    await shown.has("37 101");
    await expect(console.resize({ columns: 0, rows: 1 })).rejects.toMatchObject({ code: "ERR_CONFIG" });
    keeper.kill();
    await keeper.exit;
    console.destroy();
  });

  it("has another size once that is asked for, and no earlier than it says so", async () => {
    const folders = place();
    const keeper = await keep(folders, { ...shell("cat"), terminal });
    const console = await opened(folders.run);
    // Nobody reads it.
    console.pause();
    process.kill(keeper.state.keeper, "SIGSTOP");
    let isSet = false;
    const both = [console.resize({ columns: 101, rows: 37 }), console.resize({ columns: 102, rows: 38 })];
    const resized = Promise.all(both).then(() => {
      isSet = true;
    });
    for (let turn = 0; turn < 100; turn += 1) await setImmediate();
    expect(isSet).toBe(false);
    process.kill(keeper.state.keeper, "SIGCONT");
    await resized;
    const stdin = openSync(`/proc/${keeper.state.program}/fd/0`, constants.O_RDONLY | constants.O_NOCTTY);
    expect(execFileSync("stty", ["size"], { stdio: [stdin, "pipe", "pipe"] }).toString()).toBe("38 102\n");
    closeSync(stdin);
    keeper.kill();
    await keeper.exit;
    console.destroy();
  });
});

it("does not begin without a keeper", async () => {
  const none: Promise<BackendConsole> = keeperConsole(place().run);
  await expect(none).rejects.toMatchObject({ code: "ERR_CONNECTION" });
});
