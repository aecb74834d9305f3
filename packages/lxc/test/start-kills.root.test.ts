import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { type Instance, isInstanceError } from "@pileus/core";
import { identifyProcess, type ProcessIdentity, signalProcess } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { random } from "../../core/test/keeper/log/random.ts";
import type { LxcCapability } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

/** `PILEUS_KILLS=200` kills more often, `PILEUS_SEED` repeats a run: see docs/testing.md. */
const KILLS = Number(process.env["PILEUS_KILLS"] ?? 30);
/** No start takes longer, whatever was killed, in milliseconds. */
const SETTLES = 30_000;

const fixture = systemFixture();
type Box = Instance<LxcCapability>;

const VICTIMS = ["keeper", "starter", "init", "init", "keeper and starter"] as const;
type Victim = (typeof VICTIMS)[number];

/** What is done to the victims: those that are stopped go on after the start was aborted, or without that. */
const DEEDS = ["kill", "kill", "stop", "stop and abort"] as const;

function read(path: string): readonly number[] {
  try {
    return readFileSync(path, "latin1").trim().split(/\s+/).map(Number);
  } catch {
    return [];
  }
}

/** Whether this is process 1 of a namespace: liblxc also has children that end soon. proc_pid_status(5). */
function isInit(pid: number): boolean {
  try {
    return /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

/** The pids of the victims of a start that is under way, as soon as they are there. */
async function awaitVictims(run: string, victim: Victim, isOver: () => boolean): Promise<readonly ProcessIdentity[]> {
  while (!isOver()) {
    const [starter = 0, , , keeper = 0] = read(join(run, "holder"));
    const init = starter > 0 ? (read(`/proc/${starter}/task/${starter}/children`).find(isInit) ?? 0) : 0;
    const pids = { keeper: [keeper], starter: [starter], init: [init], "keeper and starter": [keeper, starter] }[
      victim
    ];
    if (pids.every((pid) => pid > 0)) {
      const found = await Promise.all(pids.map(identifyProcess));
      return found.filter((each) => each !== undefined);
    }
    await setImmediate();
  }
  return [];
}

it(
  `a start survives ${KILLS} kills and stops of keeper, starter and PID 1 at random moments, and leaves nothing`,
  { timeout: 60_000 + KILLS * 5000 },
  requires(NEEDS, async () => {
    const { seed, integer } = random();
    console.log(`PILEUS_SEED=${seed}`);
    const pick = <T>(of: readonly T[]): T => of[integer(of.length)] as T;
    const box: Box = await fixture.host.create({ driver: "lxc", name: "killed", image: fixture.image });
    const run = join(fixture.root, "names/killed/run");
    const nothing = await leftovers(fixture.root);
    const seen: string[] = [];
    for (let kill = 1; kill <= KILLS; kill++) {
      const [victim, deed, pause] = [pick(VICTIMS), pick(DEEDS), integer(60)];
      const told = `seed ${seed}, kill ${kill}: ${deed} ${victim} after ${pause} ms`;
      const { signal, abort } = controller();
      let isOver = false;
      const began = performance.now();
      const starting = box
        .start({ signal })
        .then(
          () => "done",
          (error: unknown) => error,
        )
        .finally(() => {
          isOver = true;
        });
      const victims = await awaitVictims(run, victim, () => isOver);
      await setTimeout(pause);
      for (const each of victims) await signalProcess(each, deed === "kill" ? "SIGKILL" : "SIGSTOP");
      if (deed === "stop and abort") abort();
      if (deed !== "kill") await Promise.race([starting, setTimeout(1500, undefined, { ref: false })]);
      for (const each of victims) await signalProcess(each, "SIGCONT");
      const late = setTimeout(SETTLES, "it does not settle", { ref: false });
      const outcome = await Promise.race([starting, late]);
      const settled = outcome === "done" || isInstanceError(outcome) || (outcome as Error)?.message === "enough";
      expect(settled, `${told}: ${String(outcome)}`).toBe(true);
      seen.push(`${told}: ${Math.round(performance.now() - began)} ms: ${String(outcome)}`);
      await box.stop({ mode: "kill" });
      expect(await box.state(), told).toBe("stopped");
      expect(await leftovers(fixture.root), told).toEqual(nothing);
    }
    if (process.env["PILEUS_TELL"] !== undefined) console.log(seen.join("\n"));
    await box.delete();
  }),
);

it(
  "a start whose PID 1 is killed while liblxc sets it up ends soon",
  { timeout: 120_000 },
  requires(NEEDS, async () => {
    const box = await fixture.host.create({ driver: "lxc", name: "early", image: fixture.image });
    for (let pause = 0; pause < 20; pause += 1) {
      let isOver = false;
      const starting = box
        .start()
        .then(() => "done", String)
        .finally(() => {
          isOver = true;
        });
      const [init] = await awaitVictims(join(fixture.root, "names/early/run"), "init", () => isOver);
      for (const until = performance.now() + pause; performance.now() < until; );
      if (init !== undefined) await signalProcess(init, "SIGKILL");
      // The limit of a start is 60 seconds: liblxc itself would wait until then.
      const outcome = await Promise.race([starting, setTimeout(20_000, "it does not settle", { ref: false })]);
      expect(outcome, `killed after ${pause} ms`).not.toBe("it does not settle");
      await box.stop({ mode: "kill" });
    }
    await box.start();
    expect((await box.run(["echo", "here"])).stdout).toBe("here\n");
    await box.stop({ mode: "kill" });
    await box.delete();
  }),
);

function controller() {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort(new Error("enough")) };
}
