import { expect, it, vi } from "vitest";
import { LeftGroup } from "../../src/processes/left-group.ts";
import type { ProcessIds } from "../../src/processes/process-ids.ts";

const member = (pid: number, started: number, group = 100): ProcessIds => ({
  pid,
  parent: 1,
  group,
  session: 100,
  started,
});

function groupOf(first: readonly ProcessIds[], exists = true) {
  const world = { now: first };
  return {
    world,
    group: LeftGroup.find(
      100,
      () => world.now,
      () => exists,
    ),
  };
}

it("is undefined if no process is left, or only zombies", () => {
  expect(groupOf([member(101, 5)], false).group).toBeUndefined();
  expect(groupOf([member(101, 5, 99)]).group).toBeUndefined();
});

it("is undefined if a stranger has got the id of the leader before the first look", () => {
  expect(groupOf([member(100, 50), member(101, 51)]).group).toBeUndefined();
});

it("is alive as long as a process lives that was a member at the last look", () => {
  const { world, group } = groupOf([member(101, 5)]);
  world.now = [member(101, 5), member(102, 9)];
  expect(group?.isAlive()).toBe(true);
  world.now = [member(102, 9), member(103, 12)];
  expect(group?.isAlive()).toBe(true);
  world.now = [];
  expect(group?.isAlive()).toBe(false);
});

it("is alive though each member has started another and ended", () => {
  const { world, group } = groupOf([member(101, 5)]);
  world.now = [member(102, 9)];
  expect(group?.isAlive()).toBe(true);
  world.now = [member(103, 12)];
  expect(group?.isAlive()).toBe(true);
  world.now = [];
  expect(group?.isAlive()).toBe(false);
  world.now = [member(104, 15)];
  expect(group?.isAlive()).toBe(false);
});

it("does not include a stranger of another session", () => {
  const { world, group } = groupOf([member(101, 5)]);
  world.now = [{ ...member(102, 9), session: 90 }];
  expect(group?.isAlive()).toBe(false);
});

it("does not include a stranger that got the id of the group or of a member", () => {
  const { world, group } = groupOf([member(101, 5)]);
  world.now = [member(100, 50), member(101, 51)];
  expect(group?.isAlive()).toBe(false);
  expect(group?.isAlive()).toBe(false);
});

it("calls back once when no process is left", () => {
  vi.useFakeTimers();
  try {
    const { world, group } = groupOf([member(101, 5)]);
    const gone = vi.fn();
    group?.watch(gone);
    vi.advanceTimersByTime(5000);
    expect(gone).not.toHaveBeenCalled();
    world.now = [];
    vi.advanceTimersByTime(5000);
    expect(gone).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});
