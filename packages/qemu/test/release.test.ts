import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceContext } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { markOf, releaseMachine, releaseRun } from "../src/release.ts";
import { runFiles, socketsOf } from "../src/run-files.ts";
import { makeInstance } from "./support/instance.ts";

const CGROUP = `pileus-release-${process.pid}`;

it("releases a run that has the mark, and a run without a mark only with its machine", async () => {
  await using made = await makeInstance();
  const spec = {
    instance: made.context,
    releaseLock: join(made.context.folder, "releases", "one.lock"),
    cgroup: CGROUP,
  };
  const { run } = made.context;
  const files = runFiles(made.context);
  for (const path of socketsOf(files)) await writeFile(path, "");
  const mark = markOf(made.context);
  await releaseRun(spec, "of another run");
  expect(await readdir(run)).toHaveLength(socketsOf(files).length);
  await releaseRun(spec, mark);
  expect(await readdir(run)).toEqual([]);
  // The next run, which has no monitor yet.
  await writeFile(files.user, "");
  await releaseRun(spec, undefined);
  expect((await stat(files.user)).isFile()).toBe(true);
  await releaseMachine(spec);
  expect(await readdir(run)).toEqual([]);
});

it("removes the mark of a run first, so that no other process repeats a failed release", async () => {
  await using made = await makeInstance();
  const nic = { hostInterface: "no name of an interface" } as InstanceContext["nics"][number];
  const instance = { ...made.context, nics: [nic] };
  const spec = { instance, releaseLock: join(instance.folder, "releases", "one.lock"), cgroup: CGROUP };
  await writeFile(runFiles(instance).monitors[0] as string, "");
  await expect(releaseRun(spec, markOf(instance))).rejects.toThrow();
  expect(markOf(instance)).toBeUndefined();
  // A full disk would have no file for the next attempt.
  expect(await readdir(join(instance.folder, "releases"))).toEqual(["one.lock"]);
  await releaseMachine({ ...spec, instance: made.context });
  expect(await readdir(join(instance.folder, "releases"))).toEqual([]);
});
