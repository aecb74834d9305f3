import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { ESCAPES, expected, REACH_THE_KERNEL, reachArgv } from "./support/attempts.ts";
import { addPerl, attemptArgv, attemptResults } from "./support/perl.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

describe("what a program of a system container tries against the host", () => {
  it.for([
    { privileged: false, escapes: ESCAPES },
    { privileged: true, escapes: REACH_THE_KERNEL },
  ])("is refused by the kernel, call by call, privileged: $privileged", ({ privileged, escapes }, context) =>
    requires([...NEEDS, "binary:perl"], async () => {
      await using instance = await fixture.running({ lxc: { privileged } });
      await addPerl(instance);
      const { attempts, answers } = expected(escapes, "lxc");
      const { stdout } = await instance.run(attemptArgv(attempts));
      expect(attemptResults(stdout)).toEqual(answers);
    })(context),
  );

  it(
    "reaches no switch, device or memory of the host, no folder of it and no terminal",
    requires(NEEDS, async () => {
      await using instance = await fixture.running();
      const { stdout } = await instance.run(reachArgv(), { timeout: 20_000 });
      expect(stdout).toBe("");
    }),
  );
});
