import { expect, it } from "vitest";
import { descendants, killDescendants } from "../../src/processes/descendants.ts";
import type { ProcessIds } from "../../src/processes/process-ids.ts";

const process = (pid: number, parent: number, group: number, session: number): ProcessIds => ({
  pid,
  parent,
  group,
  session,
  started: 1,
});

// Processes that do not belong to the program: init, the agent, and another program of the agent.
const OTHERS = [process(1, 0, 1, 1), process(50, 1, 50, 50), process(90, 50, 90, 90), process(91, 90, 90, 90)];
const program = process(100, 50, 100, 100);

it.each([
  ["a child", [process(101, 100, 100, 100)]],
  [
    "a child in its own session, and the rest of that session",
    [process(101, 100, 101, 101), process(102, 101, 101, 101)],
  ],
  ["a process whose parent has ended, in the program's session", [process(103, 1, 102, 100)]],
  [
    "a process whose parent has ended, in a session that a child began",
    [process(101, 100, 101, 101), process(103, 1, 102, 101)],
  ],
  [
    "a process whose parent has ended, in the session of a process that the program adopted",
    [process(105, 100, 105, 102), process(106, 1, 106, 102)],
  ],
  ["a process that is listed before its ancestor", [process(104, 103, 103, 103), process(103, 100, 100, 100)]],
])("counts as started by a program: %s", (_, processes) => {
  const pids = [program, ...processes].map(({ pid }) => pid);
  const found = descendants(100, [...processes, ...OTHERS, program]);
  expect(found.map(({ pid }) => pid).sort()).toEqual(pids.sort());
});

it("does not count the session of its parent, in which a program is right after its fork", () => {
  const forked = process(100, 50, 50, 50);
  expect(descendants(100, [...OTHERS, forked])).toEqual([forked]);
});

it("does not count the session of a program that leads none, in which its child is right after the fork", () => {
  // A keeper (50), its holder (100), and a fork of that which is about to begin a session.
  const [holder, child] = [process(100, 50, 50, 50), process(101, 100, 50, 50)];
  expect(descendants(100, [...OTHERS, holder, child])).toEqual([holder, child]);
});

it("kills what a child in its own session started before its kill, though the child is gone at the next look", () => {
  const child = process(101, 100, 101, 101);
  const grandchild = process(102, 1, 101, 101);
  const looks = [[program, child], [grandchild], []];
  const struck: number[] = [];
  killDescendants(
    100,
    ({ pid }) => struck.push(pid),
    () => [...OTHERS, ...(looks.shift() ?? [])],
  );
  expect(struck).toEqual([100, 101, 102]);
});

it("kills processes that are started meanwhile, each once, and gives up if new ones never end", () => {
  const struck: number[] = [];
  let next = 100;
  const endless = () => {
    next += 1;
    return [...OTHERS, program, process(next, 100, 100, 100)];
  };
  killDescendants(100, ({ pid }) => struck.push(pid), endless);
  expect(struck.filter((pid) => pid === 100)).toEqual([100]);
  expect(struck.length).toBeLessThan(1000);
  expect(struck).not.toContain(90);
});
