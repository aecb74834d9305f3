import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseProcessors } from "@pileus/core/driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setProcessors } from "../src/processor-set.ts";

describe("the processors of a cgroup of version 1", () => {
  let top = "";
  const CGROUPS = ["", "box", "box/init", "box/init/inner"];
  const fileOf = (name: string) => join(top, name, "cpuset.cpus");
  const has = (name: string) => parseProcessors(readFileSync(fileOf(name), "utf8"));
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), "pileus-set-"));
    for (const name of CGROUPS) {
      mkdirSync(join(top, name), { recursive: true });
      writeFileSync(fileOf(name), name === "" ? "0-7\n" : "0-1\n");
    }
  });
  afterEach(() => rmSync(top, { recursive: true }));

  /** As the kernel does: none that the one above does not have, and none less than those below have. */
  const write = async (path: string, value: string) => {
    writeFileSync(path, value);
    for (const [above, below] of CGROUPS.slice(1).map((name, index) => [CGROUPS[index], name] as const))
      if ([...(has(below) ?? [])].some((one) => !has(above ?? "")?.has(one)))
        throw new Error(`EBUSY ${relative(top, path)}`);
  };
  const set = async (processors: string) => {
    await setProcessors(join(top, "box"), processors, write);
    return CGROUPS.slice(1).map((name) => readFileSync(fileOf(name), "utf8"));
  };

  it("change from above and below, so that each has some of the one above at any moment", async () => {
    for (const processors of ["4-5", "1,5", "0-7", "3"])
      expect(await set(processors)).toEqual(Array(3).fill(processors));
  });

  it("are those of the cgroup above if none are given", async () => {
    expect(await set("")).toEqual(Array(3).fill("0-7"));
  });

  it("stay as programs inside have them while the container keeps its own", async () => {
    writeFileSync(fileOf("box/init"), "1\n");
    writeFileSync(fileOf("box/init/inner"), "1\n");
    expect(await set("0-1")).toEqual(["0-1\n", "1\n", "1\n"]);
  });
});
