import assert from "node:assert/strict";
import type { RunError, TimeoutError } from "../../errors/all.ts";
import { eventually, noise, rejectsExactly, rejectsWith, Transcript, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { isGone } from "../kit/inside.ts";

/** Chapter: the results and lines of programs, and what ends a program early. */
export function describeExecResults(fixture: Fixture): void {
  const it = (name: string, test: (instance: AnyInstance) => Promise<void>) =>
    fixture.it(name, async () => test(await fixture.running()), "exec");

  fixture.describe("the result of run", () => {
    it("has the exit code, and is failed unless that is 0", async (instance) => {
      const { durationMs, ...failed } = await instance.run(["sh", "-c", "echo out; echo err >&2; exit 3"]);
      const facts = { signal: undefined, timedOut: false, truncated: false, oom: false };
      const exit = { kind: "exited", code: 3 };
      assert.deepEqual(failed, { stdout: "out\n", stderr: "err\n", exitCode: 3, failed: true, exit, ...facts });
      assert.ok(durationMs >= 0 && durationMs < fixture.deadline, `${durationMs} ms`);
      const { exitCode, failed: none } = await instance.run(["true"]);
      assert.deepEqual([exitCode, none], [0, false]);
    });
    it("has the signal that ended the program, and no oom", async (instance) => {
      const { exitCode, signal, failed, oom } = await instance.run(["sh", "-c", "kill -KILL $$"]);
      assert.deepEqual(
        { exitCode, signal, failed, oom },
        { exitCode: undefined, signal: "SIGKILL", failed: true, oom: false },
      );
    });
    const { greedy } = fixture.subject;
    if (greedy !== undefined) {
      fixture.it(
        "tells that the kernel killed the program because memory ran out, and the instance can still be used",
        () =>
          fixture.using(async (instance) => {
            await instance.start();
            await instance.ready({ timeout: fixture.deadline });
            const { exitCode, signal, failed, oom } = await instance.run(greedy.argv);
            assert.deepEqual(
              { exitCode, signal, failed, oom },
              { exitCode: undefined, signal: "SIGKILL", failed: true, oom: true },
            );
            assert.equal((await instance.run(["sh", "-c", "kill -KILL $$"])).oom, false);
            if (!fixture.has("metrics")) return;
            const { oomKills = 1 } = (await instance.metrics()).memory;
            assert.ok(oomKills >= 1, "metrics() counts no such kill");
          }, greedy.config),
        "exec",
      );
    }
    it("is truncated to maxOutput bytes when the program printed more", async (instance) => {
      const { stdout, truncated, failed, signal, oom } = await instance.run(["yes"], { maxOutput: 5000 });
      assert.equal(stdout, "y\n".repeat(2500));
      assert.deepEqual(
        { truncated, failed, signal, oom },
        { truncated: true, failed: true, signal: "SIGKILL", oom: false },
      );
      const exact = await instance.run(["head", "-c", "5000", "/dev/zero"], { maxOutput: 5000 });
      assert.deepEqual([exact.truncated, exact.failed], [false, false]);
    });
    it("has bytes with the encoding buffer", async (instance) => {
      const input = noise(70_000);
      const { stdout, stderr } = await instance.run(["cat"], { input, encoding: "buffer" });
      assert.ok(stdout.equals(input), "other bytes");
      assert.ok(Buffer.isBuffer(stderr) && stderr.length === 0);
    });
    it("is in the RunError when check is set and the program failed", async (instance) => {
      const run = instance.run(["sh", "-c", "echo out; echo because >&2; exit 3"], { check: true });
      const error = (await rejectsWith(run, "ERR_RUN")) as RunError;
      assert.deepEqual([error.result.stdout, error.result.exitCode], ["out\n", 3]);
      assert.match(error.message, /sh in .* exited with 3: because$/);
      assert.equal((await instance.run(["echo", "fine"], { check: true })).stdout, "fine\n");
    });
    it("is in the TimeoutError, with the output so far", async (instance) => {
      const lines: string[] = [];
      const run = instance.run(["sh", "-c", "echo begun; printf half; exec sleep 1000"], {
        timeout: fixture.deadline / 10,
        onStdout: (line) => lines.push(line),
      });
      const { result } = (await rejectsWith(run, "ERR_TIMEOUT")) as TimeoutError;
      const { stdout, timedOut, failed, signal } = result ?? {};
      assert.deepEqual(
        { stdout, timedOut, failed, signal },
        { stdout: "begun\nhalf", timedOut: true, failed: true, signal: "SIGKILL" },
      );
      assert.deepEqual(lines, ["begun", "half"]);
    });
  });

  fixture.describe("lines", () => {
    it("of a run are delivered one by one, the last one without a newline too", async (instance) => {
      const lines: string[] = [];
      const { stdout } = await instance.run(["sh", "-c", "echo one; echo; echo ☁ >&2; printf last"], {
        onStdout: (line) => lines.push(`out ${line}`),
        onStderr: (line) => lines.push(`err ${line}`),
      });
      assert.equal(stdout, "one\n\nlast");
      assert.deepEqual(
        lines.filter((line) => line.startsWith("out")),
        ["out one", "out ", "out last"],
      );
      assert.deepEqual(
        lines.filter((line) => line.startsWith("err")),
        ["err ☁"],
      );
    });
    it("of a program on pipes are delivered as they come, whether its stream is read or not", async (instance) => {
      for (const read of [true, false]) {
        const lines: string[] = [];
        await using process = await instance.exec(["cat"], { onStdout: (line) => lines.push(line) });
        const out = read ? new Transcript(process.stdout) : undefined;
        process.stdin.write("first\nsec");
        await eventually(fixture.deadline, "the first line", async () => lines.length > 0 || undefined);
        process.stdin.end("ond\n");
        await eventually(fixture.deadline, "the second line", async () => lines.length > 1 || undefined);
        assert.deepEqual(lines, ["first", "second"]);
        await out?.ended;
        if (out !== undefined) assert.equal(out.text, "first\nsecond\n");
      }
    });
    it("end the program and the call when their listener throws", async (instance) => {
      const fault = new Error("enough of this");
      const heard: string[] = [];
      const onStdout = (line: string) => {
        heard.push(line);
        throw fault;
      };
      const script = ["sh", "-c", "echo $$; exec sleep 1000"];
      const run = instance.run(script, { onStdout, timeout: fixture.deadline });
      await within(fixture.deadline / 2, "the end of run", rejectsExactly(run, fault));
      await using process = await instance.exec(script, { onStdout });
      await within(fixture.deadline, "the end of the program", rejectsExactly(process.exit, fault));
      assert.equal(heard.length, 2);
      for (const pid of heard) await isGone(fixture, instance, Number(pid));
    });
  });

  fixture.describe("before its own end a program on pipes", () => {
    const script = ["sh", "-c", "setsid sh -c 'sleep 1000 & echo $!; wait' & wait"];
    it("is killed with all that it started when its time is up", async (instance) => {
      await using process = await instance.exec(script, { timeout: fixture.deadline / 10 });
      const [, child] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      const exit = await within(fixture.deadline, "the program's end", process.exit);
      assert.deepEqual([exit, process.timedOut], [{ kind: "signaled", signal: "SIGKILL" }, true]);
      await isGone(fixture, instance, Number(child));
    });
    it("is killed with all that it started when its signal aborts, after exec has returned too", async (instance) => {
      const abort = new AbortController();
      await using process = await instance.exec(script, { signal: abort.signal, timeout: fixture.deadline * 2 });
      const [, child] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      abort.abort();
      const exit = await within(fixture.deadline, "the program's end", process.exit);
      assert.deepEqual([exit, process.timedOut], [{ kind: "signaled", signal: "SIGKILL" }, false]);
      await isGone(fixture, instance, Number(child));
    });
  });

  fixture.describe("after its end a program on pipes", () => {
    const left = "sleep 1000 </dev/null >/dev/null 2>/dev/null & echo $!";
    it("can still have its process group signalled", async (instance) => {
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        await using process = await instance.exec(["sh", "-c", `${left}; exit 4`]);
        const [, child] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
        const exit = await within(fixture.deadline, "the program's end", process.exit);
        assert.deepEqual(exit, { kind: "exited", code: 4 });
        await instance.run(["kill", "-0", child ?? ""], { check: true });
        await process.kill(signal);
        await isGone(fixture, instance, Number(child));
        await process.kill(signal);
      }
    });
    it("leaves running what it started, whether disposed or aborted", async (instance) => {
      const abort = new AbortController();
      const process = await instance.exec(["sh", "-c", left], { signal: abort.signal });
      const [, child = ""] = await new Transcript(process.stdout).until(fixture.deadline, /(\d+)\n/);
      await within(fixture.deadline, "the program's end", process.exit);
      abort.abort();
      await process[Symbol.asyncDispose]();
      await process.kill("SIGKILL");
      await instance.run(["kill", "-0", child], { check: true });
      await instance.run(["kill", "-KILL", child]);
    });
  });
}
