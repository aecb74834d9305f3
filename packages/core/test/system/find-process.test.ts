import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { expect, it } from "vitest";
import { findProcesses } from "../../src/system/find-process.ts";

/** A process that waits for its standard input to end, with a word among its arguments. */
async function waiting(word: string): Promise<ChildProcess> {
  const child = spawn("sh", ["-c", "read _", word], { stdio: ["pipe", "ignore", "ignore"] });
  await once(child, "spawn");
  return child;
}

const has = (word: string) => (argv: readonly string[]) => argv.includes(word);

it("finds exactly our processes with such arguments", async () => {
  const word = randomUUID();
  const children = [await waiting(word), await waiting(word), await waiting(randomUUID())];
  try {
    const found = await findProcesses(has(word));
    expect(found.map(({ pid }) => pid).sort()).toEqual([children[0]?.pid, children[1]?.pid].sort());
    expect(await findProcesses(has(randomUUID()))).toEqual([]);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
});

it("returns only the likely process if it matches, and looks for others if it does not", async () => {
  const word = randomUUID();
  const children = [await waiting(word), await waiting(word)];
  try {
    const likely = children[1]?.pid;
    expect(await findProcesses(has(word), { likely })).toMatchObject([{ pid: likely }]);
    expect(await findProcesses(has(word), { likely: process.pid })).toHaveLength(2);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
});

it("ends with the reason of an abort", async () => {
  const reason = new Error("no more");
  await expect(findProcesses(() => false, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
