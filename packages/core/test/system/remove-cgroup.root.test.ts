import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, type TestContext, vi } from "vitest";
import { readCgroupLayout } from "../../src/system/cgroup.ts";
import { removeCgroup } from "../../src/system/remove-cgroup.ts";
import { requires } from "../../src/testing/requires.ts";

const NAME = `pileus-test-${process.pid}`;

const children: ChildProcess[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  // A test that failed leaves nothing to the next one.
  for (const { path } of readCgroupLayout().hierarchies) await removeCgroup(join(path, NAME));
});

/** Starts a program, and tells how it ended. */
function start(...argv: readonly [string, ...string[]]): { pid: number; end: Promise<readonly unknown[]> } {
  const child = spawn(argv[0], argv.slice(1), { stdio: "ignore" });
  children.push(child);
  return { pid: child.pid ?? 0, end: once(child, "exit") };
}

const KILLED = [null, "SIGKILL"];

describe("cgroups below a cgroup, in the hierarchy that freezes processes", () => {
  let top: string;
  beforeEach(() => {
    top = join(readCgroupLayout().controller("freezer")?.path ?? "", NAME);
  });

  /** Starts a process in a cgroup, and tells how it ended. */
  function sleepIn(folder: string): Promise<readonly unknown[]> {
    const { pid, end } = start("sleep", "infinity");
    writeFileSync(join(folder, "cgroup.procs"), `${pid}`);
    return end;
  }

  function freeze(folder: string): void {
    const file = join(folder, "freezer.state");
    if (existsSync(file)) {
      writeFileSync(file, "FROZEN");
      while (readFileSync(file, "utf8") !== "FROZEN\n");
    } else writeFileSync(join(folder, "cgroup.freeze"), "1");
  }

  /** Starts a process in a cgroup that is frozen from above: there it does not even die. */
  function sleepFrozen(context: TestContext) {
    if (readCgroupLayout().controller("freezer")?.version !== 1) context.skip("needs cgroup version 1");
    const below = join(top, "below");
    mkdirSync(below, { recursive: true });
    const end = sleepIn(below);
    freeze(top);
    return { below, end };
  }

  it(
    "are removed when their path is longer than any path may be",
    requires<TestContext>(["root", "cgroup"], async () => {
      mkdirSync(top);
      const at = process.cwd();
      const end = (() => {
        try {
          process.chdir(top);
          for (let level = 0; level < 40; level += 1) {
            mkdirSync("n".repeat(250));
            process.chdir("n".repeat(250));
          }
          return sleepIn(".");
        } finally {
          process.chdir(at);
        }
      })();
      await removeCgroup(top);
      expect(existsSync(top)).toBe(false);
      expect(await end).toEqual(KILLED);
    }),
  );
  it(
    "are removed 200 levels deep, with frozen processes in some",
    requires<TestContext>(["root", "cgroup"], async () => {
      const folders = Array.from({ length: 200 }, (_, level) => join(top, "deep/".repeat(level)));
      for (const folder of folders) mkdirSync(folder);
      const of = (levels: readonly number[]) => levels.map((level) => folders[level] ?? "");
      const ends = of([0, 60, 199]).map(sleepIn);
      of([199, 60, 30]).map(freeze);
      await removeCgroup(top);
      expect(existsSync(top)).toBe(false);
      expect(await Promise.all(ends)).toEqual([KILLED, KILLED, KILLED]);
    }),
  );

  it(
    "are removed, 300 with a process each beside each other; a second time there is nothing to do",
    requires<TestContext>(["root", "cgroup"], async () => {
      const folders = Array.from({ length: 300 }, (_, place) => join(top, `${place}`));
      for (const folder of folders) mkdirSync(folder, { recursive: true });
      const ends = folders.map(sleepIn);
      await removeCgroup(top);
      expect(existsSync(top)).toBe(false);
      expect(await Promise.all(ends)).toEqual(ends.map(() => KILLED));
      await removeCgroup(top);
    }),
    60_000,
  );

  it(
    "are removed although the host's clock is set forward while a process in them dies",
    requires<TestContext>(["root", "cgroup"], async (context) => {
      const { below, end } = sleepFrozen(context);
      vi.useFakeTimers({ toFake: ["Date"] });
      const kill = process.kill.bind(process);
      let round = 0;
      vi.spyOn(process, "kill").mockImplementation((...args) => {
        round += 1;
        // Its deadline is set by now, and it looks at the clock once more before the process can die.
        if (round === 2) vi.setSystemTime(Date.now() + 86_400_000);
        if (round === 3) writeFileSync(join(top, "freezer.state"), "THAWED");
        return kill(...args);
      });
      await removeCgroup(below);
      expect(round).toBeGreaterThanOrEqual(3);
      expect(await end).toEqual(KILLED);
    }),
  );

  it(
    "are left with EBUSY if a process in them does not die, and can be removed once it does",
    requires<TestContext>(["root", "cgroup"], async (context) => {
      const { below, end } = sleepFrozen(context);
      await expect(removeCgroup(below)).rejects.toMatchObject({ code: "EBUSY", path: below });
      await removeCgroup(top);
      expect(existsSync(top)).toBe(false);
      expect(await end).toEqual(KILLED);
    }),
  );
});

describe("threaded cgroups of version 2", () => {
  /** A domain with a process whose last thread is in a threaded cgroup. */
  function makeDomain(unified: string) {
    const domain = join(unified, NAME);
    const threaded = join(domain, "threaded");
    mkdirSync(threaded, { recursive: true });
    writeFileSync(join(threaded, "cgroup.type"), "threaded");
    const { pid, end } = start(process.execPath, "-e", "setInterval(() => {}, 2 ** 30)");
    writeFileSync(join(domain, "cgroup.procs"), `${pid}`);
    let threads: readonly string[];
    do threads = readdirSync(`/proc/${pid}/task`);
    while (threads.length === 1);
    writeFileSync(join(threaded, "cgroup.threads"), threads.at(-1) ?? "");
    return { domain, threaded, end };
  }

  it.for(["domain", "threaded"] as const)("are removed from the %s cgroup on", (from, context) =>
    requires<TestContext>(["root", "cgroup"], async (context) => {
      const unified = readCgroupLayout().hierarchies.find(({ version }) => version === 2)?.path;
      if (unified === undefined) return context.skip("needs cgroup version 2");
      const made = makeDomain(unified);
      await removeCgroup(made[from]);
      expect(existsSync(made[from])).toBe(false);
      expect(await made.end).toEqual(KILLED);
    })(context),
  );
});
