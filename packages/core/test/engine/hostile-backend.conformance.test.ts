import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capability, Host, Instance } from "@pileus/core";
import type { AnyDriver } from "@pileus/core/driver";
import { FakeWorld, fake } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import type { EngineParts } from "../../src/engine/opening/open-engine.ts";
import { openHostWith } from "../../src/host.ts";
import { FAULTS, type FaultName, type Faults, Sabotage, type Step, SYNCHRONOUS } from "../harness/sabotage.ts";
import { CALLER_TIMEOUT, DISPOSE_TIME, expectToldError, GRACE, nothingEscapes, outcomeOf } from "../harness/settles.ts";
import { folderToPush, VERBS, type Verb } from "../harness/verbs.ts";
import { smallParts } from "./scripted.ts";

/** Parts of a host whose image is the folder. */
function partsWithTree(folder: string): EngineParts {
  const { parts } = smallParts();
  const openImages: EngineParts["openImages"] = async () => ({
    ...(await parts.openImages()),
    tree: async () => ({ kind: "layers", layers: [], merged: async () => folder }),
  });
  return { ...parts, openImages };
}

/**
 * Calls one verb on a backend that misbehaves from then on, and gives up soon: the call must settle, with a typed error
 * if with any, and so must a look at the instance, and the host's disposal. Returns the steps that the verb took.
 */
async function attempt(verb: Verb, faults: Faults): Promise<ReadonlySet<Step>> {
  const sabotage = new Sabotage(faults);
  const base = await mkdtemp(join(tmpdir(), "pileus-hostile-"));
  const folder = await folderToPush();
  const drivers = [sabotage.driver(fake({ world: new FakeWorld() }))];
  const open = async () =>
    (await openHostWith({ root: join(base, "root"), drivers }, partsWithTree(folder))) as Host<AnyDriver>;
  let host = await open();
  try {
    await host.create({ driver: "fake", name: "one", image: "base" });
    let instance = (await host.get("one")) as Instance<Capability>;
    if (verb.state !== "stopped") await instance.start();
    if (verb.state === "frozen") await instance.freeze();
    if (verb.state === "found again") {
      const other = await open();
      await host[Symbol.asyncDispose]();
      host = other;
      instance = (await host.get("one")) as Instance<Capability>;
    }
    sabotage.on = true;
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), CALLER_TIMEOUT);
    const call = verb.call({ host, instance, folder, signal: controller.signal });
    const outcome = await outcomeOf(call, CALLER_TIMEOUT + GRACE);
    expect(outcome.kind).not.toBe("pending");
    expectToldError(outcome, reason);
    const again = await outcomeOf(
      instance.state({ signal: AbortSignal.timeout(CALLER_TIMEOUT) }),
      CALLER_TIMEOUT + GRACE,
    );
    expect(`state() is ${again.kind}`).not.toBe("state() is pending");
  } finally {
    const end = await outcomeOf(host[Symbol.asyncDispose](), DISPOSE_TIME + GRACE);
    expect(`disposing is ${end.kind}`).not.toBe("disposing is pending");
    await rm(base, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
  return sabotage.touched;
}

async function attemptAll(verb: Verb, list: readonly Faults[]): Promise<readonly string[]> {
  const failures: string[] = [];
  const tried = async (faults: Faults) => {
    try {
      await attempt(verb, faults);
    } catch (error) {
      failures.push(`${JSON.stringify(faults)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const isSilent = (faults: Faults) => Object.values(faults).includes("silent");
  for (const faults of list) if (!isSilent(faults)) await tried(faults);
  // Those wait for nothing but time.
  await Promise.all(list.filter(isSilent).map(tried));
  return failures;
}

const ALL = Object.keys(FAULTS) as FaultName[];
const faultsAt = (step: Step) => ALL.filter((fault) => fault !== "silent" || !SYNCHRONOUS.includes(step));

describe.concurrent("whatever its backend does at each step, a call obeys its signal and fails with a typed error", () => {
  it.for(VERBS)("$name", { timeout: 120_000 }, async (verb) => {
    const steps = await attempt(verb, {});
    const list = [...steps].flatMap((step) => faultsAt(step).map((fault) => ({ [step]: fault })));
    expect(await attemptAll(verb, list)).toEqual([]);
  });

  // The second step is asked for because the first failed.
  it.for([
    ["create", "backend.materialize", "backend.remove"],
    ["start", "backend.launch", "backend.adopt"],
    ["ephemeral", "backend.launch", "backend.remove"],
    ["stop by ask-then-kill", "running.shutdown", "running.kill"],
    ["freeze", "running.freeze", "running.isFrozen"],
    ["state, found again", "backend.adopt", "running.detach"],
  ] as const)("$0, which undoes a failed $1 by $2", { timeout: 120_000 }, async ([name, first, second]) => {
    const verb = VERBS.find((known) => known.name === name);
    if (verb === undefined) throw new Error(`no verb ${name}`);
    const list = (["silent", "rejects"] as const).flatMap((fault) =>
      faultsAt(second).map((then) => ({ [first]: fault, [second]: then })),
    );
    expect(await attemptAll(verb, list)).toEqual([]);
  });
});

nothingEscapes();
