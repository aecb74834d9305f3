import assert from "node:assert/strict";
import { buffer, text } from "node:stream/consumers";
import type { LogStream } from "../../contract/capability.ts";
import { crashHost } from "../kit/crash.ts";
import { eventually, noise, rejectsExactly, rejectsWith, Transcript, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /;
/** What is printed at once to see that much is kept: many lines, each with its number. */
const MUCH = { fast: 2500, slow: 100 } as const;
const WIDTH = 8000;
/** The least log. */
const BOUNDS = { maxSize: 64 * 1024, maxFiles: 2 };
/** What is kept at least of a long output, in bytes. */
const KEPT = 8 * 2 ** 20;

/** Chapter: what an instance prints, as `logs()` gives it. */
export function describeLogs(fixture: Fixture): void {
  const { subject } = fixture;
  const plain = subject.logs === "without times";
  const much = MUCH[subject.slowOutput ? "slow" : "fast"];

  fixture.describe("printed by a running instance, the log", () => {
    fixture.it(
      "is followed by several readers until the run ends, also from now on only",
      async () => {
        const instance = await fixture.running();
        const output = await Output.of(fixture, instance);
        await output.print("kit-before\n");
        await output.has(fixture, "kit-before");
        const all = new Transcript(await instance.logs({ ...output.only, follow: true }));
        const late = new Transcript(await instance.logs({ ...output.only, follow: true, tail: 0 }));
        await output.print("kit-after\n");
        for (const reader of [all, late]) await reader.until(fixture.deadline, /kit-after/);
        await instance.stop({ mode: "kill" });
        await within(fixture.deadline, "the end of both readers", Promise.all([all.ended, late.ended]));
        assert.match(all.text, /kit-before[\s\S]*kit-after/);
        assert.doesNotMatch(late.text, /kit-before/);
        const again = await within(
          fixture.deadline,
          "the log",
          text(await instance.logs({ ...output.only, follow: true })),
        );
        assert.equal(again, all.text, "the log of the stopped instance is another");
      },
      "logs",
      "exec",
    );
    fixture.it(
      "gives the last lines, and what has not ended as a line",
      async () => {
        const instance = await fixture.running();
        const output = await Output.of(fixture, instance);
        await output.print("kit-1\nkit-2\nkit-3\nkit-without-end");
        await output.has(fixture, "kit-without-end");
        const last = unix(await text(await instance.logs({ ...output.only, tail: 3 })));
        assert.equal(last, "kit-2\nkit-3\nkit-without-end");
        assert.equal(await text(await instance.logs({ ...output.only, tail: 0 })), "");
        await output.print("\n");
      },
      "logs",
      "exec",
    );
    fixture.it(
      plain ? "refuses times, because it has none" : "tells the time of each line, and begins at a moment",
      async () => {
        const instance = await fixture.running();
        const output = await Output.of(fixture, instance);
        if (plain) {
          await rejectsWith(instance.logs({ ...output.only, timestamps: true }), "ERR_UNSUPPORTED");
          await rejectsWith(instance.logs({ ...output.only, since: 1000 }), "ERR_UNSUPPORTED");
          return;
        }
        const moment = new Date();
        await output.print("kit-timed\nkit-timed too\n");
        await output.has(fixture, "kit-timed too");
        const timed = unix(await text(await instance.logs({ timestamps: true, since: moment })))
          .trimEnd()
          .split("\n");
        for (const line of timed) {
          assert.match(line, LINE);
          const time = Date.parse(line.slice(0, 23).concat("Z"));
          assert.ok(time >= moment.getTime() && time <= Date.now() + 1, `${line} is not of this moment`);
        }
        assert.match(timed.join("\n"), /Z kit-timed\n[\s\S]*Z kit-timed too/);
        assert.match(await text(await instance.logs({ since: 60_000 })), /kit-timed too/);
        const none = await text(await instance.logs({ since: new Date(Date.now() + 60_000) }));
        assert.equal(none, "");
      },
      "logs",
      "exec",
    );
    fixture.it(
      "has the bytes as they were printed, of any length and in any encoding",
      async () => {
        const instance = await fixture.running();
        const output = await Output.of(fixture, instance);
        // On a terminal some bytes are commands.
        const printed = Buffer.concat([Buffer.from("kit-bytes"), noise(100_000), Buffer.from("kit-end\n")]).map(
          (byte) => (byte < 32 || byte === 127 ? 200 : byte),
        );
        printed[printed.length - 1] = 10;
        await output.print(printed);
        await output.has(fixture, "kit-end");
        const seen = Buffer.from(await buffer(await instance.logs({ ...output.only, tail: 1 })));
        const line = Buffer.from(seen.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
        assert.ok(line.equals(Buffer.from(printed)), `${line.length} other bytes`);
      },
      "logs",
      "exec",
    );
    // A plain log is cut by whoever holds the instance, when that comes to it.
    if (!plain)
      fixture.it(
        "keeps at least the last 8 MiB of a long output, in order",
        // An instance of its own: others read the log of the shared one.
        async () =>
          fixture.using(async (instance) => {
            await instance.start();
            await instance.ready({ timeout: fixture.deadline });
            const output = await Output.of(fixture, instance);
            const lines = Array.from({ length: much }, (_, number) => `${number} `.padEnd(WIDTH - 1, "x"));
            await within(fixture.deadline * 3, "a long output", output.print(`${lines.join("\n")}\nkit-much\n`));
            await output.has(fixture, "kit-much");
            const kept = unix(await text(await instance.logs({ ...output.only, tail: much + 1 }))).split("\n");
            const numbers = kept.filter((line) => line.endsWith("xxx")).map((line) => Number.parseInt(line, 10));
            assert.ok(numbers.length * WIDTH >= Math.min(KEPT, much * WIDTH), `only ${numbers.length} lines were kept`);
            const first = numbers.at(-numbers.length) as number;
            assert.deepEqual(
              numbers,
              Array.from(numbers, (_, index) => first + index),
            );
            assert.equal(numbers.at(-1), much - 1);
          }),
        "logs",
        "exec",
      );
    if (!plain)
      fixture.it(
        "keeps no more than the configuration says, and tells that its beginning is gone",
        async () =>
          fixture.using(
            async (instance) => {
              await instance.start();
              await instance.ready({ timeout: fixture.deadline });
              const output = await Output.of(fixture, instance);
              const lines = Array.from({ length: 100 }, (_, number) => `${number} `.padEnd(WIDTH - 1, "x"));
              await within(fixture.deadline, "800 KB of output", output.print(`${lines.join("\n")}\nkit-bounded\n`));
              await output.has(fixture, "kit-bounded");
              const kept = unix(await text(await instance.logs(output.only)));
              assert.match(kept, /^\[pileus: what was printed before was removed/);
              assert.match(kept, /\n99 x+\nkit-bounded\n$/);
              assert.ok(kept.length <= 2 * BOUNDS.maxSize, `${kept.length} bytes were kept`);
              assert.ok(kept.length > BOUNDS.maxSize / 2, `only ${kept.length} bytes were kept`);
            },
            { log: BOUNDS },
          ),
        "logs",
        "exec",
      );
    fixture.it(
      "ends for a reader that aborts, and for no other",
      async () => {
        const instance = await fixture.running();
        const output = await Output.of(fixture, instance);
        const controller = new AbortController();
        const now = { ...output.only, follow: true, tail: 0 };
        const one = await instance.logs({ ...now, signal: controller.signal });
        const other = await instance.logs(now);
        const reading = text(one);
        const reason = new Error("enough");
        const ended = rejectsExactly(reading, reason);
        controller.abort(reason);
        await within(fixture.deadline, "the end of the aborted reader", ended);
        const going = new Transcript(other);
        await output.print("kit-goes-on\n");
        await going.until(fixture.deadline, /kit-goes-on/);
        other.destroy();
        await rejectsExactly(instance.logs({ signal: AbortSignal.abort(reason) }), reason);
      },
      "logs",
      "exec",
    );
  });

  const { main } = subject;
  if (main !== undefined) {
    fixture.describe("of the main program, the log", () => {
      const ran = async (script: string, check: (instance: AnyInstance) => Promise<void>) =>
        fixture.using(async (instance) => {
          await instance.start();
          await within(fixture.deadline, "the end of the program", instance.wait());
          await check(instance);
        }, main(script));
      const printed = async (instance: AnyInstance, stream?: LogStream) =>
        text(await instance.logs(stream === undefined ? {} : { stream }));
      fixture.it(
        "has both streams, each and in the order of the output",
        async () => {
          await ran("echo one; sleep 0.3; echo two >&2; sleep 0.3; printf three", async (instance) => {
            assert.equal(await printed(instance, "stdout"), "one\nthree");
            assert.equal(await printed(instance, "stderr"), "two\n");
            if (!plain) assert.equal(await printed(instance), "one\ntwo\nthree");
          });
        },
        "logs",
      );
      fixture.it(
        "loses nothing of a program that opens its output again",
        async () => {
          const script =
            "echo one; echo two > /dev/stdout; echo three > /dev/stdout; echo four > /dev/stderr; echo five";
          await ran(script, async (instance) => {
            assert.equal(await printed(instance, "stdout"), "one\ntwo\nthree\nfive\n");
            assert.equal(await printed(instance, "stderr"), "four\n");
          });
        },
        "logs",
      );
      fixture.it(
        "begins anew with each start, and reaches back when it is asked to",
        async () => {
          await ran("echo run; sleep 0.1", async (instance) => {
            await instance.start();
            const follow = await instance.logs({ stream: "stdout", follow: true });
            assert.equal(await within(fixture.deadline, "the end of the second run", text(follow)), "run\n");
            assert.equal(await printed(instance, "stdout"), "run\n");
            if (plain) return;
            assert.equal(await text(await instance.logs({ stream: "stdout", since: new Date(0) })), "run\nrun\n");
          });
        },
        "logs",
      );
    });
  }

  const { prints } = subject;
  if (prints === undefined) return;
  fixture.describe("after the process of its host was killed, the log", () => {
    fixture.it(
      "has what was printed before, and is followed on",
      async () => {
        await fixture.deleteAll();
        await fixture.image();
        await crashHost(fixture, [{ name: "kit-shared", state: "running" }]);
        const host = await fixture.reopen();
        const instance = (await host.get("kit-shared")) as AnyInstance;
        const follow = new Transcript(await instance.logs({ stream: prints.stream, follow: true }));
        await follow.until(fixture.deadline, prints.text);
        await instance.stop({ mode: "kill" });
        await within(fixture.deadline, "the end of the reader", follow.ended);
        assert.match(follow.text, prints.text);
      },
      "logs",
    );
  });
}

/** The way by which programs inside print as the instance itself does. */
export class Output {
  /** Selects the stream. */
  readonly only: { readonly stream: LogStream };
  readonly #instance: AnyInstance;
  readonly #redirection: string;

  private constructor(instance: AnyInstance, stream: LogStream, redirection: string) {
    this.only = { stream };
    this.#instance = instance;
    this.#redirection = redirection;
  }

  static async of(fixture: Fixture, instance: AnyInstance): Promise<Output> {
    const { kind } = await instance.inspect();
    // A file without a keeper would be emptied.
    const redirect = fixture.subject.logs === "without times" ? ">>" : ">";
    return kind === "application-container"
      ? new Output(instance, "stdout", `${redirect} /proc/1/fd/1`)
      : new Output(instance, "console", `${redirect} /dev/console`);
  }

  async print(data: string | Uint8Array): Promise<void> {
    await this.#instance.run(["sh", "-c", `cat ${this.#redirection}`], { input: data, user: "root", check: true });
  }

  /** Resolves when the log has these words. */
  async has(fixture: Fixture, words: string): Promise<void> {
    await eventually(fixture.deadline, `${words} in the log`, async () => {
      const log = await text(await this.#instance.logs({ ...this.only, tail: 20 }));
      return log.includes(words) || undefined;
    });
  }
}

/** A terminal ends its lines with two characters. */
function unix(printed: string): string {
  return printed.replaceAll("\r\n", "\n");
}
