import { expect, it, vi } from "vitest";
import { LeftGroup } from "../../src/guest/left-group.ts";
import type { ProcessIds } from "../../src/guest/processes.ts";

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

it("is nothing where nobody is left, or zombies alone", () => {
  expect(groupOf([member(101, 5)], false).group).toBeUndefined();
  expect(groupOf([member(101, 5, 99)]).group).toBeUndefined();
});

it("lives as long as one lives that was in it at the last look", () => {
  const { world, group } = groupOf([member(101, 5)]);
  world.now = [member(101, 5), member(102, 9)];
  expect(group?.isAlive()).toBe(true);
  world.now = [member(102, 9), member(103, 12)];
  expect(group?.isAlive()).toBe(true);
  world.now = [];
  expect(group?.isAlive()).toBe(false);
});

it("is none of a stranger's that got its number, or that of one of its own", () => {
  const { world, group } = groupOf([member(101, 5)]);
  world.now = [member(100, 50), member(101, 51)];
  expect(group?.isAlive()).toBe(false);
  expect(group?.isAlive()).toBe(false);
});

it("tells once when nobody is left", () => {
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
