import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { isDeepStrictEqual } from "node:util";
import { isInstanceError } from "../../errors/all.ts";
import type { ExitStatus } from "../../terms/state.ts";
import { eventually, noise, passing, rejectsExactly, rejectsWith, Transcript, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { isGone } from "../kit/inside.ts";
import { execTable, exitOf, PLANTED, TTY_TABLE } from "./exec-table.ts";

const SIZE = { columns: 80, rows: 24 };

/** Chapter: programs inside. Two tables of inputs and results, and tests that fit no table. */
export function describeExec(fixture: Fixture): void {
  const it = (name: string, test: (instance: AnyInstance) => Promise<void>) =>
    fixture.it(name, async () => test(await fixture.running()), "exec");

  fixture.describe("run", () => {
    for (const row of execTable(fixture.account)) {
      it(row.name, async (instance) => {
        const { argv, input, env, cwd, user } = row;
        const result = await planted(() => instance.run(argv, { input, env, cwd, user }));
        matches(result.stdout, row.stdout ?? "", "stdout");
        matches(result.stderr, row.stderr ?? "", "stderr");
        assert.deepEqual(result.exit, exitOf(row));
      });
    }
    it("gives the default user root its groups", async (instance) => {
      const groups = async (...of: string[]) =>
        (await instance.run(["id", "-G", ...of])).stdout.trim().split(" ").sort();
      assert.deepEqual(await groups(), await groups("root"));
    });
    it("rejects for a user that the instance does not know", async (instance) => {
      const unknown = await rejectsWith(instance.run(["true"], { user: "nobody-of-this-name" }), "ERR_USER_NOT_FOUND");
      assert.equal(unknown.message, `no user "nobody-of-this-name": it is not in the instance's /etc/passwd`);
    });
    it("refuses an empty argv, a NUL and a relative cwd before anything is started", async (instance) => {
      await rejectsWith(instance.run([]), "ERR_CONFIG");
      await rejectsWith(instance.run(["echo", "a\0b"]), "ERR_CONFIG");
      await rejectsWith(instance.run(["true"], { cwd: "tmp" }), "ERR_CONFIG");
      await rejectsWith(instance.run(["true"], { env: { "A=B": "1" } }), "ERR_CONFIG");
    });
    it("runs eight programs at once and mixes nothing up", async (instance) => {
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
      const runs = numbers.map((n) => instance.run(["sh", "-c", `echo ${n}; cat; exit ${n}`], { input: `in ${n}` }));
      const results = (await Promise.all(runs)).map(({ stdout, stderr, exitCode }) => ({ stdout, stderr, exitCode }));
      assert.deepEqual(
        results,
        numbers.map((n) => ({ stdout: `${n}\nin ${n}`, stderr: "", exitCode: n })),
      );
    });
    it("kills the program inside and rejects with TimeoutError when timeout has passed", async (instance) => {
      // To be seen dead the program must have begun; only a file can show that.
      const run = instance.run(["sh", "-c", "echo $$ >/tmp/kit-timeout; exec sleep 1000"], {
        timeout: fixture.deadline / 10,
      });
      await rejectsWith(run, "ERR_TIMEOUT");
      const { stdout } = await instance.run(["cat", "/tmp/kit-timeout"]);
      await isGone(fixture, instance, Number(stdout));
    });
    it("kills the program inside and rejects with the signal's reason when aborted", async (instance) => {
      const abort = new AbortController();
      const run = instance.run(["sh", "-c", "echo $$ >/tmp/kit-abort; exec sleep 1000"], { signal: abort.signal });
      run.catch(() => undefined);
      const pid = await eventually(fixture.deadline, "the program's start", async () => {
        const { stdout } = await instance.run(["sh", "-c", "cat /tmp/kit-abort 2>/dev/null"]);
        return stdout.endsWith("\n") ? Number(stdout) : undefined;
      });
      const reason = new Error("changed my mind");
      abort.abort(reason);
      await rejectsExactly(run, reason);
      await isGone(fixture, instance, pid);
    });
    it("takes stdin from a stream", async (instance) => {
      async function* source() {
        for (const part of ["one ", "two ", "three"]) yield Buffer.from(part);
      }
      assert.equal((await instance.run(["cat"], { input: source() })).stdout, "one two three");
    });
  });

  fixture.describe("exec on pipes", () => {
    it("answers while stdin is still open, and ends when it is closed", async (instance) => {
      await using process = await instance.exec(["cat"]);
      const out = new Transcript(process.stdout);
      process.stdin.write("first\n");
      await out.until(fixture.deadline, /^first\n$/);
      process.stdin.end("second\n");
      await out.until(fixture.deadline, /^first\nsecond\n$/);
      await out.ended;
      assert.deepEqual(await ended(process), { kind: "exited", code: 0 });
    });
    it("carries binary bytes exactly", async (instance) => {
      const bytes = noise(2 ** 20 + 7);
      await using process = await instance.exec(["cat"]);
      const hash = createHash("sha256");
      await Promise.all([pipeline([bytes], process.stdin), pipeline(process.stdout, hash)]);
      assert.equal(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
    });
    it("blocks a program whose output is not read, and loses none of it", async (instance) => {
      const size = 24 * 2 ** 20;
      await using process = await instance.exec(["head", "-c", String(size), "/dev/zero"]);
      await eventually(fixture.deadline, "some output", async () => process.stdout.readableLength > 0 || undefined);
      // Enough time for a program that is not blocked to end, measured with this very instance.
      for (let i = 0; i < 5; i++) await instance.run(["true"]);
      await passing();
      assert.equal(await Promise.race([process.exit, Promise.resolve("under way")]), "under way");
      assert.ok(process.stdout.readableLength < size / 2, "the whole output is in our memory");
      let read = 0;
      for await (const chunk of process.stdout as AsyncIterable<Buffer>) read += chunk.length;
      assert.equal(read, size);
      assert.deepEqual(await ended(process), { kind: "exited", code: 0 });
    });
    it("keeps the output for a reader that comes after the end", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "echo out; echo err >&2; exit 3"]);
      assert.deepEqual(await ended(process), { kind: "exited", code: 3 });
      assert.deepEqual(await Promise.all([text(process.stdout), text(process.stderr)]), ["out\n", "err\n"]);
    });
    it("settles, and ends its streams, when its instance is stopped", async (instance) => {
      const process = await instance.exec(["sleep", "1000"]);
      const { exit, stdout, stderr } = process;
      for (const stream of [process.stdin, stdout, stderr]) stream.on("error", () => undefined);
      const lost = exit.then(
        () => undefined,
        (error: unknown) => rejectsWith(Promise.reject(error), "ERR_CONNECTION"),
      );
      const streams = [stdout, stderr].map((stream) => new Transcript(stream).ended);
      await instance.stop({ mode: "kill" });
      await within(fixture.deadline, "the end of a program whose instance ended", Promise.all([lost, ...streams]));
    });
    it("of run() reports how its instance ended when that comes first", async (instance) => {
      const told = instance.run(["sleep", "1000"]).then(
        ({ exit }) => ({ program: exit }),
        (error: unknown) => (isInstanceError(error, "ERR_INSTANCE_STATE") ? error.exit : error),
      );
      // A later program has run: so the first one runs too.
      await instance.run(["true"]);
      await instance.stop({ mode: "kill" });
      const outcome = await within(fixture.deadline, "run()", told);
      const killed = { program: { kind: "signaled", signal: "SIGKILL" } };
      // Either outcome is right: killed with its instance, or lost with it.
      if (!isDeepStrictEqual(outcome, killed)) assert.deepEqual(outcome, (await instance.inspect()).exit);
    });
    for (const signal of ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGUSR1"] as const) {
      it(`ends a program by ${signal}`, async (instance) => {
        await using process = await instance.exec(["sleep", "1000"]);
        await process.kill(signal);
        assert.deepEqual(await ended(process), { kind: "signaled", signal });
        await process.kill(signal);
      });
    }
    it("sends signals to the whole process group inside", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "sleep 1000 & echo $!; wait"]);
      const [, child] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      await process.kill();
      assert.deepEqual(await ended(process), { kind: "signaled", signal: "SIGTERM" });
      await isGone(fixture, instance, Number(child));
    });
    it("kills the program inside when disposed, twice if need be", async (instance) => {
      const process = await instance.exec(["sh", "-c", "echo $$; exec sleep 1000"]);
      const [, pid] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      await process[Symbol.asyncDispose]();
      await process[Symbol.asyncDispose]();
      assert.deepEqual(await ended(process), { kind: "signaled", signal: "SIGKILL" });
      await isGone(fixture, instance, Number(pid));
    });
    it("settles exit when the program has ended, though a child holds its output", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "sleep 1000 & echo $!; exit 4"]);
      const [, child] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      assert.deepEqual(await ended(process), { kind: "exited", code: 4 });
      await instance.run(["kill", "-KILL", child ?? ""]);
    });
    it("refuses an unknown signal", async (instance) => {
      await using process = await instance.exec(["sleep", "1000"]);
      await rejectsWith(process.kill("SIGNONE" as NodeJS.Signals), "ERR_CONFIG");
      for (const none of [9, null]) await rejectsWith(process.kill(none as never), "ERR_CONFIG");
    });
  });

  fixture.describe("exec on a terminal", () => {
    for (const row of TTY_TABLE) {
      it(row.name, async (instance) => {
        const { argv, env, cwd, user, tty } = row;
        await using process = await instance.exec(argv, { tty, env, cwd, user });
        const out = new Transcript(process.tty);
        assert.deepEqual(await ended(process), exitOf(row));
        await within(fixture.deadline, "the end of the terminal", out.ended);
        matches(out.text, row.stdout ?? "", "the terminal");
      });
    }
    it("is resized", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "stty -echo; stty size; read line; stty size"], {
        tty: SIZE,
      });
      const out = new Transcript(process.tty);
      await out.until(fixture.deadline, /24 80\r\n/);
      await process.resize({ columns: 132, rows: 50 });
      process.tty.write("\n");
      await out.until(fixture.deadline, /50 132\r\n/);
      await rejectsWith(process.resize({ columns: 0, rows: -1 }), "ERR_CONFIG");
    });
    it("echoes what is typed and hands over lines", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "echo ready; read line; echo got $line"], { tty: SIZE });
      const out = new Transcript(process.tty);
      await out.until(fixture.deadline, /ready\r\n/);
      process.tty.write("hello\r");
      await out.until(fixture.deadline, /hello\r\ngot hello\r\n/);
    });
    it("turns Ctrl-C into SIGINT for the program", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "echo ready; exec sleep 1000"], { tty: SIZE });
      await new Transcript(process.tty).until(fixture.deadline, /ready\r\n/);
      process.tty.write("\x03");
      assert.deepEqual(await ended(process), { kind: "signaled", signal: "SIGINT" });
    });
    it("takes Ctrl-D as the end of the input", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "echo ready; exec cat"], { tty: SIZE });
      const out = new Transcript(process.tty);
      await out.until(fixture.deadline, /ready\r\n/);
      process.tty.write("\x04");
      assert.deepEqual(await ended(process), { kind: "exited", code: 0 });
    });
    it("kills the program inside when disposed", async (instance) => {
      const process = await instance.exec(["sh", "-c", "echo $$; exec sleep 1000"], { tty: SIZE });
      const [, pid] = await new Transcript(process.tty).until(fixture.deadline, /(\d+)\r\n/);
      await process[Symbol.asyncDispose]();
      await isGone(fixture, instance, Number(pid));
    });
  });

  const ended = (process: { readonly exit: Promise<ExitStatus> }) =>
    within(fixture.deadline, "the program's end", process.exit);
}

async function planted<T>(action: () => Promise<T>): Promise<T> {
  Object.assign(process.env, PLANTED);
  try {
    return await action();
  } finally {
    for (const name of Object.keys(PLANTED)) delete process.env[name];
  }
}

function matches(actual: string, expected: string | RegExp, what: string): void {
  if (typeof expected !== "string") assert.match(actual, expected, what);
  // A mebibyte in a message helps no reader.
  else if (expected.length > 4096)
    assert.ok(actual === expected, `${what}: ${actual.length} characters, other than the ${expected.length} expected`);
  else assert.equal(actual, expected, what);
}
