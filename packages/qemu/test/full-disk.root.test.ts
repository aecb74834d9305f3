import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { smallDisks } from "../../../test-support/full-disk.ts";
import { connectMonitor } from "../src/monitor.ts";
import { markOf, prepareRelease, releaseMachine, releaseRun } from "../src/release.ts";
import { runFiles, socketsOf } from "../src/run-files.ts";
import { FakeMonitor } from "./support/fake-monitor.ts";
import { makeInstance } from "./support/instance.ts";

let disk: string;
beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), "pileus-full-"));
});
afterEach(() => rmSync(disk, { recursive: true }));

describe("on a full disk", () => {
  it.for(smallDisks({ megabytes: 1, inodes: 100 }))(
    "gives back what a run held, and connects to its monitor: $name",
    { timeout: 60_000 },
    ({ fill, mount, unmount, left }, context) =>
      requires(["root"], async () => {
        await using made = await makeInstance();
        mount(disk);
        try {
          const full = () => {
            fill(disk);
            expect(statfsSync(disk)[left]).toBe(0);
          };
          const run = join(disk, "run");
          mkdirSync(run);
          const instance = { ...made.context, run };
          const folder = join(disk, "releases");
          const spec = {
            instance,
            releaseLock: join(folder, "one.lock"),
            cgroup: `pileus-full-${process.pid}`,
          };
          prepareRelease(spec);
          for (const path of socketsOf(runFiles(instance))) writeFileSync(path, "");
          const mark = markOf(instance);
          await using monitor = await FakeMonitor.start(() => ({}));
          full();
          const client = await connectMonitor([monitor.path], { claims: spec.releaseLock });
          await client.close();
          full();
          await releaseRun(spec, mark);
          expect([readdirSync(run), readdirSync(folder)]).toEqual([[], []]);
          full();
          await releaseRun(spec, mark);
          await releaseMachine(spec);
          expect([readdirSync(run), readdirSync(folder)]).toEqual([[], []]);
        } finally {
          unmount(disk);
        }
      })(context),
  );
});
