import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capability, Host, Instance } from "@pileus/core";
import type { AnyDriver } from "@pileus/core/driver";
import { describe, expect, it } from "vitest";
import { openHostWith } from "../../core/src/host.ts";
import { smallParts } from "../../core/test/engine/scripted.ts";
import {
  CALLER_TIMEOUT,
  DISPOSE_TIME,
  expectToldError,
  GRACE,
  nothingEscapes,
  outcomeOf,
} from "../../core/test/harness/settles.ts";
import { folderToPush, VERBS, type Verb } from "../../core/test/harness/verbs.ts";
import { HostileMachines, type Misbehavior } from "./harness/hostile-driver.ts";
import { PEER_FAULTS } from "./harness/scripted-guest.ts";

/** Makes a peer of a machine misbehave, then calls one verb on the machine with a short deadline. */
async function attempt(verb: Verb, misbehavior: Misbehavior): Promise<void> {
  await using machines = new HostileMachines();
  const root = await mkdtemp(join(tmpdir(), "pileus-peers-"));
  const folder = await folderToPush();
  const drivers = [machines.driver()];
  const host = (await openHostWith({ root: join(root, "root"), drivers }, smallParts().parts)) as Host<AnyDriver>;
  try {
    await host.create({ driver: "qemu", name: "one", image: "base" });
    const instance = (await host.get("one")) as Instance<Capability>;
    if (verb.state !== "stopped") await instance.start();
    if (verb.state === "frozen") await instance.freeze();
    machines.begin(misbehavior);
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), CALLER_TIMEOUT);
    const call = verb.call({ host, instance, folder, signal: controller.signal });
    const outcome = await outcomeOf(call, CALLER_TIMEOUT + GRACE);
    expect(outcome.kind).not.toBe("pending");
    expectToldError(outcome, reason);
    // A machine that a delete has ended needs no kill.
    const killing = instance.stop({ mode: "kill" }).catch((error) => expect(error.state).toBe("deleted"));
    expect(await outcomeOf(killing, DISPOSE_TIME)).toMatchObject({ kind: "resolved" });
  } finally {
    const end = await outcomeOf(host[Symbol.asyncDispose](), DISPOSE_TIME + GRACE);
    expect(`disposing is ${end.kind}`).not.toBe("disposing is pending");
    await rm(root, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

const MISCHIEF: readonly Misbehavior[] = PEER_FAULTS.flatMap((fault) => [
  ...[0, 1, 2, 3].map((after) => ({ peer: "agent", fault, after }) as const),
  ...[0, 1].map((after) => ({ peer: "monitor", fault, after }) as const),
]);

// Other tests cover the verbs that need a driver's own adoption, or a log.
const TRIED = VERBS.filter(({ name, state }) => state !== "found again" && !["logs", "doctor", "list"].includes(name));

describe.concurrent("whatever a guest's agent or a monitor does, a call ends by its signal, and a kill works", () => {
  it.for(TRIED)("$name", { timeout: 120_000 }, async (verb) => {
    const failures: string[] = [];
    const tried = async (misbehavior: Misbehavior) => {
      try {
        await attempt(verb, misbehavior);
      } catch (error) {
        failures.push(`${JSON.stringify(misbehavior)}: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    for (const misbehavior of MISCHIEF) await tried(misbehavior);
    expect(failures).toEqual([]);
  });
});

nothingEscapes();
