import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommonConfigSchema } from "@pileus/core";
import { identifyHolder, identifyProcess, launchKeeper, signalProcess, waitForEnd } from "@pileus/core/driver";
import { expect, it, onTestFinished } from "vitest";
import { KeptMachine } from "../src/kept.ts";

it("does not take the end of the next run for that of its own, which nobody could record", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-kept-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const instance = {
    run: join(folder, "run"),
    log: join(folder, "log"),
    config: CommonConfigSchema.parse({ name: "vm", driver: "qemu", image: "fixture" }),
  };
  for (const path of [instance.run, instance.log]) await mkdir(path);
  const run = async (...argv: readonly string[]) => (await launchKeeper(instance, { argv, env: {} })).begin();

  const keeper = await run("/bin/sleep", "1000");
  const [itself, program] = [await identifyProcess(keeper.state.keeper), await identifyProcess(keeper.state.program)];
  if (itself === undefined || program === undefined) throw new Error("nothing runs");
  const holder = await identifyHolder(keeper);
  const kept = new KeptMachine({ instance, cgroup: "none", identity: program, holder }, keeper);
  expect(kept.isKept).toBe(true);
  for (const each of [itself, holder, program]) {
    await signalProcess(each, "SIGKILL");
    await waitForEnd(each);
  }
  await kept.over;
  expect(kept.isKept).toBe(false);
  const next = await run("/bin/true");
  expect(await next.exit).toMatchObject({ status: { kind: "exited", code: 0 } });
  expect(await kept.exit()).toBeUndefined();
});
