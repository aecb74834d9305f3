import assert from "node:assert/strict";
import type { AttachedProcess, DetachedProcess, OutputChunk } from "../../contract/detached.ts";
import { isInstanceError } from "../../errors/all.ts";
import type { ExitStatus } from "../../terms/state.ts";
import { crashHost } from "../kit/crash.ts";
import { rejectsExactly, rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { openOtherHost } from "../kit/other-host.ts";

const TALK = "echo kit-one; sleep 0.3; echo kit-two >&2; sleep 0.3; printf kit-three; exit 3";
/** What it prints, in order. */
const SAID = "kit-one\nkit-two\nkit-three";

/** Chapter: programs that outlive the process that started them. */
export function describeDetached(fixture: Fixture): void {
  const settles = <T>(what: string, promise: Promise<T>) => within(fixture.deadline, what, promise);
  const start = (instance: AnyInstance, script: string) => instance.exec(["sh", "-c", script], { detached: true });
  const ended = async (program: DetachedProcess) => settles("the end of a detached program", program.wait());
  const whole = async (attached: AttachedProcess) => settles("the output of a detached program", chunksOf(attached));

  fixture.describe("a detached program", () => {
    fixture.it(
      "tells its output and its end, as often as they are asked for",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, TALK);
        assert.match(program.id, /^[\w-]{1,64}$/);
        assert.deepEqual(program.argv, ["sh", "-c", TALK]);
        assert.ok(Math.abs(program.startedAt - Date.now()) < fixture.deadline);
        for (const attach of [() => program.attach(), () => instance.attach(program.id), () => program.attach()]) {
          await using attached = await attach();
          const chunks = await whole(attached);
          assert.equal(textOf(chunks), SAID);
          assert.equal(textOf(chunks.filter(({ stream }) => stream === "stderr")), "kit-two\n");
          assert.deepEqual(await settles("its exit", attached.exit), { kind: "exited", code: 3 });
          assert.deepEqual(await ended(program), { kind: "exited", code: 3 });
        }
      },
      "detached",
    );
    fixture.it(
      "is on record with how it is and how it was, beside others",
      async () => {
        const instance = await fixture.running();
        const [going, over] = [await start(instance, "sleep 100"), await start(instance, "exit 4")];
        await ended(over);
        const known = new Map((await instance.processes()).map((info) => [info.id, info]));
        const { id, argv, startedAt } = going;
        assert.deepEqual(known.get(id), { id, argv, startedAt, state: "running" });
        const past = known.get(over.id);
        assert.deepEqual([past?.state, past?.exit], ["ended", { kind: "exited", code: 4 }]);
        assert.ok(Number(past?.endedAt) >= over.startedAt && Number(past?.endedAt) <= Date.now() + 1000);
        const order = [...known.keys()].filter((one) => one === id || one === over.id);
        assert.deepEqual(order, startedAt === over.startedAt ? [id, over.id].sort() : [id, over.id]);
        await going.kill("SIGKILL");
        assert.deepEqual(await ended(going), { kind: "signaled", signal: "SIGKILL" });
        await going.kill();
      },
      "detached",
    );
    fixture.it(
      "gives its output from any byte on, and what it has printed so far",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, TALK);
        await ended(program);
        for (const offset of [0, 3, 8, 12, SAID.length, SAID.length + 5]) {
          await using attached = await instance.attach(program.id, { offset });
          const chunks = await whole(attached);
          assert.equal(textOf(chunks), SAID.slice(offset), `from ${offset}`);
          let at = offset;
          for (const chunk of chunks) {
            assert.equal(chunk.offset, at);
            at += chunk.data.length;
          }
        }
        const going = await start(instance, "echo kit-begun; sleep 100");
        await using follow = await going.attach();
        for await (const chunk of follow.output) if (textOf([chunk]).includes("kit-begun")) break;
        await using now = await going.attach({ follow: false });
        assert.equal(textOf(await whole(now)), "kit-begun\n");
        await going.kill("SIGTERM");
        assert.deepEqual(await ended(going), { kind: "signaled", signal: "SIGTERM" });
      },
      "detached",
    );
    fixture.it(
      "runs as it is asked to, reads an empty input, and says why it cannot be started",
      async () => {
        const instance = await fixture.running();
        const { name, uid } = fixture.account;
        const told = async (argv: readonly string[], options: object = {}) => {
          const program = await instance.exec(argv, { ...options, detached: true });
          const exit = await ended(program);
          await using attached = await program.attach();
          return [exit, textOf(await whole(attached))] as const;
        };
        const done = { kind: "exited", code: 0 };
        assert.deepEqual(await told(["id", "-u"], { user: name }), [done, `${uid}\n`]);
        assert.deepEqual(await told(["pwd"], { cwd: "/etc" }), [done, "/etc\n"]);
        assert.deepEqual(await told(["sh", "-c", 'echo "$KIT"'], { env: { KIT: "from the call" } }), [
          done,
          "from the call\n",
        ]);
        assert.deepEqual(await told(["cat"]), [done, ""]);
        const [exit, why] = await told(["no-such-program"]);
        assert.deepEqual(exit, { kind: "exited", code: 127 });
        assert.match(why, /no-such-program/);
      },
      "detached",
    );
    fixture.it(
      "is told by its id alone, and never by another",
      async () => {
        const instance = await fixture.running();
        for (const id of ["0123456789abcdef", "", "../run", "x".repeat(300)])
          await rejectsWith(instance.attach(id), "ERR_PROCESS_NOT_FOUND");
        await rejectsWith(instance.attach(7 as unknown as string), "ERR_CONFIG");
        const program = await start(instance, "sleep 100");
        await rejectsWith(instance.attach(program.id, { offset: -1 }), "ERR_CONFIG");
        for (const wrong of [{ tty: { columns: 80, rows: 24 } }, { timeout: 1000 }, { input: "x" }, { detached: 1 }])
          await rejectsWith(instance.exec(["true"], { detached: true, ...wrong } as never), "ERR_CONFIG");
        await rejectsWith(program.kill("TERM" as never), "ERR_CONFIG");
        await program.kill("SIGKILL");
        await ended(program);
      },
      "detached",
    );
    fixture.it(
      "goes on when a reader or a waiter leaves, and never begins after an abort",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, "echo kit-here; sleep 100");
        const reason = new Error("enough");
        const controller = new AbortController();
        const attached = await program.attach({ signal: controller.signal });
        const reading = rejectsExactly(chunksOf(attached), reason);
        const waiting = rejectsExactly(program.wait({ signal: controller.signal }), reason);
        const exit = rejectsExactly(attached.exit, reason);
        controller.abort(reason);
        await settles("the end of the aborted calls", Promise.all([reading, waiting, exit]));
        await attached[Symbol.asyncDispose]();
        const before = (await instance.processes()).length;
        const { signal } = controller;
        await rejectsExactly(instance.exec(["sleep", "100"], { detached: true, signal }), reason);
        const after = await instance.processes();
        assert.equal(after.length, before);
        assert.equal(after.find(({ id }) => id === program.id)?.state, "running");
        await program.kill("SIGKILL");
        await ended(program);
      },
      "detached",
    );
    fixture.it(
      "ends for a reader that aborts, also after its own end",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, TALK);
        await ended(program);
        const reason = new Error("enough");
        const controller = new AbortController();
        await using attached = await program.attach({ signal: controller.signal });
        const output = attached.output[Symbol.asyncIterator]();
        const first = await settles("the first of the output", output.next());
        assert.equal(first.done, false);
        assert.deepEqual(await settles("its exit", attached.exit), { kind: "exited", code: 3 });
        controller.abort(reason);
        await settles("the rest of the output", rejectsExactly(output.next(), reason));
      },
      "detached",
    );
    fixture.it(
      "is seen and signalled while the instance is frozen",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, "echo kit-cold; sleep 100");
        await using attached = await program.attach();
        await instance.freeze();
        assert.equal((await instance.processes()).find(({ id }) => id === program.id)?.state, "running");
        await settles("a signal to a frozen program", program.kill("SIGKILL"));
        await instance.unfreeze();
        assert.deepEqual(await settles("its end", attached.exit), { kind: "signaled", signal: "SIGKILL" });
        assert.match(textOf(await whole(attached)), /^kit-cold\n|^$/);
      },
      "detached",
      "freeze",
    );
    fixture.it(
      "ends with the run of its instance, and is forgotten then",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, "echo kit-last; sleep 100");
        await using attached = await program.attach();
        const endings = [whole(attached), endsWithRun(program.wait()), endsWithRun(attached.exit)];
        await instance.stop({ mode: "kill" });
        await settles("the end of readers and waiters", Promise.all<unknown>(endings));
        for (const call of [() => instance.processes(), () => program.attach(), () => program.wait()])
          await rejectsWith<"ERR_INSTANCE_STATE">(call() as Promise<unknown>, "ERR_INSTANCE_STATE");
        await instance.start();
        await instance.ready({ timeout: fixture.deadline });
        assert.deepEqual(await instance.processes(), []);
        await rejectsWith(program.attach(), "ERR_PROCESS_NOT_FOUND");
      },
      "detached",
    );
    fixture.it(
      "is found by another host, which reads it, signals it and sees its end",
      async () => {
        const instance = await fixture.running();
        const program = await start(instance, "echo kit-shared; sleep 100");
        await using other = await openOtherHost(fixture);
        const listed = await other.tell("processes", instance.name);
        assert.deepEqual(
          listed.find(({ id }) => id === program.id),
          { id: program.id, argv: program.argv, startedAt: program.startedAt, state: "running" },
        );
        await using attached = await program.attach();
        for await (const chunk of attached.output) if (textOf([chunk]).includes("kit-shared")) break;
        const end = await other.tell("endDetached", instance.name, program.id);
        assert.deepEqual(end, { output: "kit-shared\n", exit: { kind: "signaled", signal: "SIGTERM" } });
        assert.deepEqual(await ended(program), { kind: "signaled", signal: "SIGTERM" });
      },
      "detached",
    );
  });

  fixture.describe("after the process that started it was killed, a detached program", () => {
    fixture.it(
      "goes on, and loses nothing of what it prints",
      async () => {
        await fixture.deleteAll();
        await fixture.image();
        const script = "echo kit-before; sleep 1; echo kit-after; sleep 100";
        await crashHost(fixture, [{ name: "kit-shared", state: "running", detached: ["sh", "-c", script] }]);
        const instance = (await (await fixture.reopen()).get("kit-shared")) as AnyInstance;
        const [info] = await instance.processes();
        assert.equal(info?.state, "running");
        await using attached = await instance.attach(info.id);
        let seen = "";
        for await (const chunk of attached.output) {
          seen += textOf([chunk]);
          if (seen.includes("kit-after")) break;
        }
        assert.equal(seen, "kit-before\nkit-after\n");
        await attached.kill("SIGKILL");
        assert.deepEqual(await settles("its end", attached.exit), { kind: "signaled", signal: "SIGKILL" });
      },
      "detached",
    );
  });
}

/** It was killed with its instance, and perhaps somebody saw that. */
async function endsWithRun(exit: Promise<ExitStatus>): Promise<void> {
  try {
    assert.deepEqual(await exit, { kind: "signaled", signal: "SIGKILL" });
  } catch (error) {
    if (!isInstanceError(error, "ERR_INSTANCE_STATE")) throw error;
  }
}

/** All that is read until the end. */
export async function chunksOf({ output }: Pick<AttachedProcess, "output">): Promise<readonly OutputChunk[]> {
  const chunks: OutputChunk[] = [];
  for await (const chunk of output) chunks.push(chunk);
  return chunks;
}

export function textOf(chunks: readonly OutputChunk[]): string {
  return Buffer.concat(chunks.map(({ data }) => data)).toString();
}
