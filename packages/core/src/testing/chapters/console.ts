import assert from "node:assert/strict";
import { once } from "node:events";
import type { ConsoleWriter, InstanceConsole } from "../../contract/console.ts";
import { isInstanceError } from "../../errors/all.ts";
import { rejectsWith, Transcript, within } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";
import { Output } from "./logs.ts";

/** Chapter: the console of a system. */
export function describeConsole(fixture: Fixture): void {
  const failure = async (console: InstanceConsole) => {
    const [error] = await within(fixture.deadline, "a refusal", once(console, "error"));
    assert.ok(isInstanceError(error, "ERR_CONSOLE_BUSY"), String(error));
    return error;
  };

  fixture.describe("the console", () => {
    fixture.it(
      "begins with what was printed, and goes on for all readers",
      async () => {
        const instance = await fixture.running();
        const output = await Output.of(fixture, instance);
        await output.print("kit-history\n");
        await output.has(fixture, "kit-history");
        const consoles = [await instance.console(), await instance.console()];
        const readers = consoles.map((console) => new Transcript(console));
        for (const reader of readers) await reader.until(fixture.deadline, /kit-history/);
        await output.print("kit-live\n");
        for (const reader of readers) await reader.until(fixture.deadline, /kit-live/);
        for (const console of consoles) console.destroy();
      },
      "console",
      "exec",
    );
    fixture.it(
      "has one writer: another is told who, and takes over if it is asked to",
      async () => {
        const instance = await fixture.running();
        const [first, second] = [await instance.console(), await instance.console()];
        const seen = new Transcript(first);
        new Transcript(second);
        const before = Date.now();
        first.write("kit-first\n");
        await seen.until(fixture.deadline, /kit-first/);
        const refused = failure(second);
        second.write("kit-refused\n");
        const { pid, since, instance: name } = await refused;
        assert.deepEqual({ pid, name }, { pid: process.pid, name: instance.name });
        assert.ok(since >= before - 1000 && since <= Date.now() + 1000, `since ${since}`);
        const taken = once(first, "taken") as Promise<[ConsoleWriter]>;
        const third = await instance.console({ take: true });
        new Transcript(third);
        const [by] = await within(fixture.deadline, "the word that another writes", taken);
        assert.equal(by.pid, process.pid);
        third.write("kit-third\n");
        await seen.until(fixture.deadline, /kit-third/);
        const late = failure(first);
        first.write("kit-late\n");
        await late;
        assert.doesNotMatch(seen.text, /kit-refused|kit-late/);
        third.destroy();
      },
      "console",
    );
    fixture.it(
      "has the size that it is given",
      async () => {
        const instance = await fixture.running();
        const console = await instance.console({ size: { columns: 97, rows: 41 } });
        const { kind } = await instance.inspect();
        const size = async () => (await instance.run(["stty", "-F", "/dev/console", "size"])).stdout.trim();
        if (kind !== "virtual-machine") assert.equal(await size(), "41 97");
        await console.resize({ columns: 101, rows: 37 });
        if (kind !== "virtual-machine") assert.equal(await size(), "37 101");
        console.destroy();
      },
      "console",
      "exec",
    );
    fixture.it(
      "stays open while the system inside reboots",
      async () => {
        const instance = await fixture.running();
        const console = await instance.console();
        const seen = new Transcript(console);
        await instance.reboot({ timeout: fixture.deadline * 3 });
        await (await Output.of(fixture, instance)).print("kit-rebooted\n");
        await seen.until(fixture.deadline, /kit-rebooted/);
        console.destroy();
      },
      "console",
      "reboot",
      "exec",
    );
    fixture.it(
      "ends with the run, and can only be opened while it goes on",
      async () => {
        const instance = await fixture.running();
        const console = await instance.console();
        const seen = new Transcript(console);
        const ends = Promise.all([once(console, "end"), once(console, "close")]);
        // It writes, and nobody reads it.
        const typing = await instance.console();
        await new Promise((resolve) => typing.write("kit-typed\n", resolve));
        await instance.stop({ mode: "kill" });
        await within(fixture.deadline, "the end of the console", ends);
        await seen.ended;
        for (const each of [console, typing]) {
          const typed = new Promise((resolve) => each.write("kit-too-late\n", resolve));
          const error = await within(fixture.deadline, "the refusal of a late write", typed);
          assert.ok(isInstanceError(error, "ERR_INSTANCE_STATE"), String(error));
          const resized = rejectsWith(each.resize({ columns: 80, rows: 24 }), "ERR_INSTANCE_STATE");
          await within(fixture.deadline, "the refusal of a late size", resized);
          each.destroy();
        }
        await rejectsWith(instance.console(), "ERR_INSTANCE_STATE");
      },
      "console",
    );
  });
}
