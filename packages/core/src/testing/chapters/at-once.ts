import assert from "node:assert/strict";
import { Transcript, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { isGone } from "../kit/inside.ts";
import { type OtherHost, openOtherHost } from "../kit/other-host.ts";

/** Chapter: several processes use one running instance at the same time, and none waits for another. */
export function describeAtOnce(fixture: Fixture): void {
  const { how } = fixture.subject.crash;
  const soon = <T>(what: string, promise: Promise<T>) => within(fixture.deadline, what, promise);
  const withOthers =
    (test: (instance: AnyInstance, others: readonly [OtherHost, OtherHost]) => Promise<void>) => async () => {
      const instance = await fixture.running();
      await using one = await openOtherHost(fixture);
      await using another = await openOtherHost(fixture);
      await test(instance, [one, another]);
    };

  fixture.describe(
    `used at once by two more hosts ${how === "kill" ? "in other processes" : "in this process"}`,
    () => {
      fixture.it(
        "runs programs for all, while a program of each runs",
        withOthers(async (instance, others) => {
          const { name } = instance;
          await using ours = await instance.exec(["cat"]);
          const said = new Transcript(ours.stdout);
          for (const other of others)
            await soon("its program", other.tell("hold", name, ["sh", "-c", "echo up; exec sleep 1000"]));
          const answers = others.map((other, index) => other.tell("run", name, ["echo", `word ${index}`]));
          assert.deepEqual(await soon("their programs", Promise.all(answers)), ["word 0\n", "word 1\n"]);
          await soon("our own", instance.run(["true"], { check: true }));
          for (const other of others) await soon("ready()", other.tell("ready", name, fixture.deadline));
          if (fixture.has("metrics"))
            for (const other of others)
              assert.ok((await soon("metrics()", other.tell("metrics", name))).cpu.seconds >= 0);
          ours.stdin.end("still here\n");
          await said.until(fixture.deadline, /still here\n/);
        }),
        "exec",
      );
      fixture.it(
        "moves files for all, while a transfer of one is under way",
        withOthers(async (instance, [pouring, other]) => {
          const { name } = instance;
          await soon("the transfer", pouring.tell("pour", name, "/tmp/kit-endless"));
          await soon("another's file", other.tell("write", name, "/tmp/kit-at-once", "of another"));
          assert.equal(await soon("our reading", instance.files.readText("/tmp/kit-at-once")), "of another");
          await soon("our file", instance.files.write("/tmp/kit-at-once", "of ours"));
          assert.equal(await soon("another's reading", other.tell("read", name, "/tmp/kit-at-once")), "of ours");
        }),
        "files",
      );
      fixture.it(
        "ends what one of them runs when it dies in the middle, and nothing of the others",
        withOthers(async (instance, [victim, other]) => {
          const { name } = instance;
          const hold = ["sh", "-c", "echo $$; exec sleep 1000"];
          const [dead = "", alive = ""] = [
            await soon("its program", victim.tell("hold", name, hold)),
            await soon("its program", other.tell("hold", name, hold)),
          ];
          if (fixture.has("files")) await soon("the transfer", victim.tell("pour", name, "/tmp/kit-endless"));
          await soon("its end", victim.end());
          // A host that is merely disposed lets its programs run.
          if (how === "kill") await isGone(fixture, instance, Number(dead));
          await instance.run(["kill", "-0", alive], { check: true });
          assert.equal(await soon("another's program", other.tell("run", name, ["echo", "on"])), "on\n");
          await using next = await openOtherHost(fixture);
          assert.equal(await soon("the program of a new one", next.tell("run", name, ["echo", "new"])), "new\n");
        }),
        "exec",
      );
    },
  );
}
