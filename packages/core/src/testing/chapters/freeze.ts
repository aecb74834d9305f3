import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import { passing, rejectsWith, within } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";

/** Chapter: freeze and unfreeze. */
export function describeFreeze(fixture: Fixture): void {
  fixture.describe("freeze", () => {
    fixture.it(
      "freezes and unfreezes repeatedly",
      async () => {
        const instance = await fixture.running();
        await instance.freeze();
        assert.equal(await instance.state(), "frozen");
        await instance.freeze();
        await instance.unfreeze();
        assert.equal(await instance.state(), "running");
        await instance.unfreeze();
        await instance.freeze();
        await instance.unfreeze();
        await instance.ready({ timeout: fixture.deadline });
      },
      "freeze",
    );
    fixture.it(
      "suspends programs, and resumes them",
      async () => {
        const instance = await fixture.running();
        await using process = await instance.exec(["cat"]);
        const asked = performance.now();
        process.stdin.write("a");
        await within(fixture.deadline, "an answer", read(process.stdout, "a"));
        const pace = performance.now() - asked;
        await instance.freeze();
        process.stdin.write("b");
        await passing(50 + pace * 5);
        assert.equal(process.stdout.read(), null, "a frozen program answers");
        await instance.unfreeze();
        await within(fixture.deadline, "an answer", read(process.stdout, "b"));
      },
      "freeze",
      "exec",
    );
    fixture.it(
      "leaves the clock right after the thaw",
      async () => {
        const instance = await fixture.running();
        await instance.freeze();
        await passing(2500);
        await instance.unfreeze();
        const now = Math.floor(Date.now() / 1000);
        const { stdout } = await instance.run(["date", "+%s"]);
        assert.ok(Number(stdout) >= now - 1, `it is ${now} s, and inside ${stdout.trim()} s`);
      },
      "freeze",
      "exec",
    );
    fixture.it(
      "makes exec reject with StateError, also of a stopped instance",
      async () => {
        const instance = await fixture.running();
        await instance.freeze();
        await rejectsWith(instance.run(["true"]), "ERR_INSTANCE_STATE");
        await instance.unfreeze();
        await instance.run(["true"], { check: true });
        await instance.stop({ mode: "kill" });
        await rejectsWith(instance.run(["true"]), "ERR_INSTANCE_STATE");
        await rejectsWith(instance.freeze(), "ERR_INSTANCE_STATE");
      },
      "freeze",
      "exec",
    );
  });
}

async function read(stream: Readable, expected: string): Promise<void> {
  for (;;) {
    const chunk: Buffer | null = stream.read();
    if (chunk !== null) return assert.equal(String(chunk), expected);
    await new Promise((resolve) => stream.once("readable", resolve));
  }
}
