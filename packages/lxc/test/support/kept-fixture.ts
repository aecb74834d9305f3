import { rmSync } from "node:fs";
import { findKeeper, identifyProcess, type ProcessIdentity, signalProcess, waitForEnd } from "@pileus/core/driver";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { KeptHere } from "./kept-here.ts";

/** How long a test waits for an end. */
export const END = { timeout: 20_000 };
export const KILLED = { kind: "signaled", signal: "SIGKILL" };

/** Detached programs on the host itself for each test, which are ended after it. */
export function keptFixture(): { readonly kept: KeptHere } {
  let kept: KeptHere;
  beforeEach(() => {
    kept = new KeptHere();
  });
  afterEach(async () => {
    for (const { id, state } of await kept.programs.list({})) {
      if (state !== "running") continue;
      const program = await kept.open(id);
      await program.kill("SIGKILL");
      await program.exit;
    }
    kept[Symbol.dispose]();
    rmSync(kept.run, { recursive: true });
  });
  return {
    get kept() {
      return kept;
    },
  };
}

export async function identity(pid: number): Promise<ProcessIdentity> {
  const found = await identifyProcess(pid);
  if (found === undefined) throw new Error(`process ${pid} has ended`);
  return found;
}

export async function killed(pid: number): Promise<void> {
  const found = await identity(pid);
  await signalProcess(found, "SIGKILL");
  await waitForEnd(found, END);
}

/** What keeps a program: its keeper and its holder. */
export async function keeperOf(kept: KeptHere, id: string) {
  const keeper = await findKeeper(kept.folder(id));
  keeper.detach();
  return keeper.state;
}

/** The first line that a program has printed. */
export async function lineOf(kept: KeptHere, id: string): Promise<string> {
  return vi.waitFor(async () => {
    const program = await kept.open(id);
    let printed = "";
    for await (const { data } of await program.output({ offset: 0, follow: false })) printed += data;
    program.release();
    expect(printed).toContain("\n");
    return printed.split("\n")[0] as string;
  }, END);
}
