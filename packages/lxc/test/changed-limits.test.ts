import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Limits } from "@pileus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { passing } from "../../core/src/testing/kit/expect.ts";
import { ChangedLimits } from "../src/changed-limits.ts";
import { UNIFIED_FACTS } from "./support/spec.ts";

const { cgroups } = UNIFIED_FACTS;
const FILES = ["memory.current", "memory.high", "memory.max", "memory.swap.max", "cpu.max", "pids.max"];
const limits = (limit: number): Limits => ({ memory: { limit } });

describe("changed limits", () => {
  let place = "";
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), "pileus-changed-"));
    for (const folder of ["run", "cgroup", "slow"]) mkdirSync(join(place, folder));
    boot();
  });
  afterEach(() => rmSync(place, { recursive: true }));

  /** The cgroup as it is after a start: as liblxc makes it. */
  function boot() {
    for (const file of FILES) writeFileSync(join(place, "cgroup", file), "max");
    writeFileSync(join(place, "cgroup/memory.current"), "0");
    writeFileSync(join(place, "cgroup/memory.max"), "1000");
  }

  /** What a process has of the run; the files of its cgroup are in that folder. */
  const of = (folder: string | undefined = "cgroup", look = () => {}) =>
    new ChangedLimits(join(place, "run"), {
      name: "a",
      cgroups,
      folder: () => {
        look();
        return folder && join(place, folder);
      },
    });
  // An ordinary file is replaced only as far as a write goes.
  const limit = () => readFileSync(join(place, "cgroup/memory.max"), "utf8").slice(0, 4);

  it("are set again by any process after a reboot inside, and by none if none were changed", async () => {
    await of().restore();
    expect([limit(), readdirSync(join(place, "run"))]).toEqual(["1000", []]);
    await of().change(limits(1000), limits(2000), {});
    expect(limit()).toBe("2000");
    boot();
    await of().restore();
    expect(limit()).toBe("2000");
  });

  it("that a container which is ending cannot get any more concern nobody", async () => {
    await of().change(limits(1000), limits(2000), {});
    await of(undefined, () => {
      throw new Error("its init is gone");
    }).restore();
    writeFileSync(join(place, "run/limits"), "{ cut");
    await of().restore();
    expect(limit()).toBe("2000");
  });

  it("that cannot be kept are taken back, and those of before are set again after a reboot", async () => {
    await of().change(limits(1000), limits(2000), {});
    mkdirSync(join(place, "run/limits.new"));
    await expect(of().change(limits(2000), limits(3000), {})).rejects.toMatchObject({ code: "EISDIR" });
    expect(limit()).toBe("2000");
    boot();
    await of().restore();
    expect(limit()).toBe("2000");
  });

  it("of a change that is aborted are not set", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(of().change(limits(1000), limits(2000), { signal })).rejects.toThrow("enough");
    const controller = new AbortController();
    const changing = of("cgroup", () => controller.abort(new Error("later")));
    await expect(changing.change(limits(1000), limits(2000), controller)).rejects.toThrow("later");
    expect([limit(), existsSync(join(place, "run/limits"))]).toEqual(["1000", false]);
  });

  it("of one process come one after the other, also after one that failed", async () => {
    let refuses = true;
    const changed = of("cgroup", () => {
      if (refuses) throw new Error("refused");
    });
    const failing = changed.change(limits(1000), limits(2000), {});
    await expect(failing).rejects.toThrow("refused");
    refuses = false;
    await Promise.all([
      changed.change(limits(1000), limits(2000), {}),
      changed.change(limits(2000), limits(3000), {}),
      changed.change(limits(3000), limits(4000), {}),
    ]);
    expect([limit(), readFileSync(join(place, "run/limits"), "utf8")]).toEqual(["4000", JSON.stringify(limits(4000))]);
  });

  it("of another process are not overwritten by one that has read those of before", async () => {
    await of().change(limits(1000), limits(2000), {});
    // The same cgroup, seen by a process that gets stuck on the way to the limit of memory.
    for (const file of FILES.filter((name) => name !== "memory.current"))
      symlinkSync(join("../cgroup", file), join(place, "slow", file));
    const stuck = join(place, "slow/memory.current");
    execFileSync("mkfifo", [stuck]);
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const restoring = of("slow", arrive).restore();
    await arrived;
    const changing = of().change(limits(2000), limits(3000), {});
    await Promise.race([changing, passing(100)]);
    writeFileSync(stuck, "0");
    await Promise.all([restoring, changing]);
    expect(limit()).toBe("3000");
  });
});
