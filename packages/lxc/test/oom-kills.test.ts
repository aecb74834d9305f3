import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerMount } from "@pileus/core/driver";
import { afterAll, beforeAll, expect, it } from "vitest";
import { oomKills } from "../src/oom-kills.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "oom-kills-"));
  mkdirSync(join(folder, "init"));
  writeFileSync(join(folder, "memory.events"), "low 0\noom 9\noom_kill 3\noom_group_kill 0\n");
  writeFileSync(join(folder, "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  writeFileSync(join(folder, "init", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

const layout = (version?: 1 | 2) => ({
  controller: (): ControllerMount | undefined => version && { version, path: "/sys/fs/cgroup", root: "/" },
});

it("are those of the whole container, with any version of cgroups", () => {
  expect(oomKills(layout(2), folder, "init")).toBe(3);
  expect(oomKills(layout(1), folder, "init")).toBe(5);
});

it("are none if the host does not count, or the container has ended", () => {
  expect(oomKills(layout(), folder, "init")).toBe(0);
  expect(oomKills(layout(2), undefined, "init")).toBe(0);
  expect(oomKills(layout(1), join(folder, "gone"), "init")).toBe(0);
});
