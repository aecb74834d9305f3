import assert from "node:assert/strict";
import { once } from "node:events";
import type { SignalName } from "../../terms/state.ts";
import { eventually, rejectsExactly, rejectsWith, Transcript, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { isGone } from "../kit/inside.ts";

const SIZE = { columns: 80, rows: 24 };

/** Milliseconds: much more than the grace of a run, and much less than the deadline of a test. */
const END_DEADLINE = 3000;

/** Chapter: the end of programs inside, and of everything that they started. */
export function describeExecEnds(fixture: Fixture): void {
  const it = (name: string, test: (instance: AnyInstance) => Promise<void>) =>
    fixture.it(name, async () => test(await fixture.running()), "exec");

  fixture.describe("the end of a program", () => {
    it("ends run(), while its background processes live on", async (instance) => {
      const run = instance.run(["sh", "-c", "sleep 1000 & echo $!; exit 5"], { timeout: fixture.deadline });
      const { stdout, exitCode } = await within(fixture.deadline / 2, "the end of run", run);
      assert.equal(exitCode, 5);
      assert.match(stdout, /^\d+\n$/);
      await instance.run(["kill", "-0", stdout.trim()], { check: true });
      await instance.run(["kill", "-KILL", stdout.trim()]);
    });
    it("harms no caller that still writes to it without an error listener", async (instance) => {
      for (const argv of [["/no-such"], ["true"]]) {
        const piped = await instance.exec(argv);
        piped.stdin.end("x".repeat(1e6));
        piped.stdout.resume();
        piped.stderr.resume();
        await within(fixture.deadline, "the program's end", piped.exit);
        const terminal = await instance.exec(argv, { tty: SIZE });
        terminal.tty.resume();
        await within(fixture.deadline, "the program's end", terminal.exit);
        terminal.tty.end("x".repeat(1e6));
        // A fault would show as an uncaught exception, by now or during this wait.
        await instance.run(["true"], { check: true });
        await Promise.all([piped[Symbol.asyncDispose](), terminal[Symbol.asyncDispose]()]);
      }
    });
    it("by a timeout ends everything that it started, in any session", async (instance) => {
      const left = "sleep 1000 & echo $! >/tmp/kit-left";
      const script = `sh -c '${left}-1'; setsid sh -c '${left}-2; wait' & ${left}-3; wait`;
      await rejectsWith(instance.run(["sh", "-c", script], { timeout: fixture.deadline / 10 }), "ERR_TIMEOUT");
      for (const file of ["/tmp/kit-left-1", "/tmp/kit-left-2", "/tmp/kit-left-3"])
        await isGone(fixture, instance, Number((await instance.run(["cat", file])).stdout));
    });
    it("by disposal ends everything that it started", async (instance) => {
      const process = await instance.exec(["sh", "-c", "setsid sh -c 'sleep 1000 & echo $!; wait' & wait"]);
      const [, pid] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      await process[Symbol.asyncDispose]();
      await isGone(fixture, instance, Number(pid));
    });
    if (fixture.subject.blindTo !== "real-time signals") {
      it("can come from a real-time signal, which is reported by name", async (instance) => {
        for (const [signal, told] of [
          ["SIGRTMIN", "SIGRTMIN"],
          ["SIGRTMIN+3", "SIGRTMIN+3"],
          ["SIGRTMAX", "SIGRTMIN+30"],
        ] as const) {
          await using process = await instance.exec(["sleep", "1000"]);
          await process.kill(signal);
          assert.deepEqual(await within(fixture.deadline, "the program's end", process.exit), {
            kind: "signaled",
            signal: told satisfies SignalName,
          });
        }
      });
    }
    it("comes by SIGHUP when its terminal is destroyed", async (instance) => {
      await using process = await instance.exec(["sleep", "1000"], { tty: SIZE });
      process.tty.destroy();
      const exit = await within(fixture.deadline, "the program's end", process.exit);
      assert.deepEqual(exit, { kind: "signaled", signal: "SIGHUP" });
    });
    it("is not needed for its output to end: a stream that it closes ends at once", async (instance) => {
      await using process = await instance.exec(["sh", "-c", "echo out; exec sleep 1000 >/dev/null"]);
      process.stdout.resume();
      await within(Math.min(END_DEADLINE, fixture.deadline), "the end of stdout", once(process.stdout, "end"));
      assert.equal(await Promise.race([process.exit, Promise.resolve("under way")]), "under way");
    });
    fixture.it(
      "that a frozen instance delays is not waited for, and comes with the thaw",
      async () => {
        const instance = await fixture.running();
        const abort = new AbortController();
        const reason = new Error("changed my mind");
        const run = instance.run(["sh", "-c", "echo $$ >/tmp/kit-frozen; exec sleep 1000"], { signal: abort.signal });
        run.catch(() => undefined);
        const pid = await eventually(fixture.deadline, "the program's start", async () => {
          const { stdout } = await instance.run(["sh", "-c", "cat /tmp/kit-frozen 2>/dev/null"]);
          return stdout.endsWith("\n") ? Number(stdout) : undefined;
        });
        await instance.freeze();
        abort.abort(reason);
        try {
          await within(Math.min(END_DEADLINE, fixture.deadline), "the rejection", rejectsExactly(run, reason));
        } finally {
          await instance.unfreeze();
        }
        await isGone(fixture, instance, pid);
      },
      "exec",
      "freeze",
    );
  });

  fixture.describe("arguments", () => {
    it("beyond the limits of Linux are refused with E2BIG", async (instance) => {
      const big = "x".repeat(131_072);
      const some = Array.from({ length: 60 }, () => "x".repeat(100_000));
      for (const call of [
        instance.run(["true", big]),
        instance.run(["true", ...some]),
        instance.run(["true"], { env: { A: big } }),
      ])
        assert.match(String(await rejectsWith(call, "ERR_CONFIG")), /E2BIG/);
    });
  });

  fixture.describe("an executable text without an interpreter", () => {
    fixture.it(
      "is run by sh, whoever runs it",
      async () => {
        const instance = await fixture.running();
        await instance.files.write("/tmp/kit-plain", "echo ran $1\n", { mode: 0o755 });
        for (const user of ["root", fixture.account.name, "54321"]) {
          const { stdout, stderr } = await instance.run(["/tmp/kit-plain", "it"], { user });
          assert.deepEqual({ stdout, stderr }, { stdout: "ran it\n", stderr: "" });
          const found = await instance.run(["kit-plain", "it"], { user, env: { PATH: "/tmp:/bin" } });
          assert.equal(found.stdout, "ran it\n");
        }
      },
      "exec",
      "files",
    );
  });
}
