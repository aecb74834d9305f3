import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { type Instance, isInstanceError } from "@pileus/core";
import { identifyProcess, livingKeeper, type ProcessIdentity, readHeldRun, signalProcess } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { random } from "../../core/test/keeper/log/random.ts";
import type { LxcCapability } from "../src/index.ts";
import { processesInside } from "./support/processes-inside.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

/** `PILEUS_KILLS=200` kills more often, `PILEUS_SEED` repeats a run: see docs/testing.md. */
const KILLS = Number(process.env["PILEUS_KILLS"] ?? 40);
/** No call takes longer, whatever was killed, in milliseconds. */
const SETTLES = 30_000;

const fixture = systemFixture();
type Box = Instance<LxcCapability>;

/** What is killed at a random moment of what. */
const VICTIMS = ["keeper", "starter", "helper", "keeper and starter"] as const;
const WORK: readonly (readonly [string, (box: Box) => Promise<unknown>])[] = [
  ["run", (box) => box.run(["sh", "-c", "echo printed >/dev/console; echo here"], { timeout: 20_000 })],
  ["logs", async (box) => text(await box.logs({ tail: 10 }))],
  ["console", (box) => type(box)],
  ["freeze", (box) => box.freeze().then(() => box.unfreeze())],
  ["reboot", (box) => box.reboot({ timeout: 20_000 })],
  ["stop", (box) => box.stop({ mode: "kill" })],
  ["metrics", (box) => box.metrics()],
  [
    "update",
    (box) => box.update({ limits: { processes: 100 } }).then(() => box.update({ limits: { processes: null } })),
  ],
];

async function type(box: Box): Promise<void> {
  const console = await box.console();
  console.resume();
  try {
    await new Promise<void>((resolve, reject) =>
      console.write("typed\n", (error) => (error == null ? resolve() : reject(error))),
    );
  } finally {
    console.destroy();
  }
}

async function find(box: Box, victim: (typeof VICTIMS)[number], run: string): Promise<readonly ProcessIdentity[]> {
  const { pid = 0 } = await box.inspect();
  const pids: number[] = [];
  if (victim.includes("keeper")) pids.push((await livingKeeper(run))?.pid ?? 0);
  // A keeper that was killed just now has no successor yet.
  if (victim.includes("starter")) pids.push((await readHeldRun(run))?.holder ?? 0);
  if (victim === "helper")
    pids.push(...processesInside(pid).flatMap((each) => (each.command === "pileus-exec" ? [each.pid] : [])));
  const found = await Promise.all(pids.filter((each) => each > 0).map(identifyProcess));
  return found.filter((each) => each !== undefined);
}

it(
  `survives ${KILLS} kills of keeper, starter and helper at random moments`,
  { timeout: 60_000 + KILLS * 3000 },
  requires(NEEDS, async () => {
    const { seed, integer } = random();
    console.log(`PILEUS_SEED=${seed}`);
    const pick = <T>(of: readonly T[]): T => of[integer(of.length)] as T;
    const box: Box = await fixture.host.create({ driver: "lxc", name: "killed", image: fixture.image });
    const run = `${fixture.root}/names/killed/run`;
    for (let kill = 1; kill <= KILLS; kill++) {
      await box.start();
      await box.run(["true"], { timeout: SETTLES });
      const [victim, [name, work], pause] = [pick(VICTIMS), pick(WORK), integer(12)];
      const told = `seed ${seed}, kill ${kill}: ${victim} after ${pause} ms of ${name}`;
      const victims = await find(box, victim, run);
      const working = work(box).then(
        () => "done",
        (error: unknown) => error,
      );
      await setTimeout(pause);
      await Promise.all(victims.map((each) => signalProcess(each, "SIGKILL")));
      const late = setTimeout(SETTLES, "it does not settle", { ref: false });
      const outcome = await Promise.race([working, late]);
      expect(outcome === "done" || isInstanceError(outcome), `${told}: ${String(outcome)}`).toBe(true);
      if (victim.includes("starter")) {
        // Then nobody is left who could tell how it ended, unless it had ended before.
        const end = await Promise.race([box.wait(), setTimeout(SETTLES, undefined, { ref: false })]);
        expect(["lost", "requested", "program"], `${told}: ${JSON.stringify(end)}`).toContain(end?.reason);
      } else if (name === "stop") {
        expect(await box.state(), told).toBe("stopped");
      } else {
        if ((await box.state()) === "frozen") await box.unfreeze();
        await vi.waitFor(async () => {
          const { stdout } = await box.run(["echo", "here"], { timeout: SETTLES });
          expect(stdout, told).toBe("here\n");
        }, SETTLES);
      }
    }
    await box.delete();
  }),
);
