import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { livingKeeper, type ProcessIdentity, readHeldRun, signalProcess, waitForEnd } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { cgroupsOf } from "../../../test-support/cgroups.ts";
import { adoptContainer, launchContainer } from "../src/container.ts";
import type { ContainerSpec } from "../src/container-spec.ts";
import { monitors } from "../src/monitor.ts";
import { containerPaths } from "../src/paths.ts";
import { releaseContainer, removeContainer } from "../src/release.ts";
import { makeBareContainer } from "./support/bare-container.ts";
import { openDescriptors } from "./support/descriptors.ts";
import { NEEDS } from "./support/system-fixture.ts";

/** Gives a test a container, and looks afterwards at what is left of its run. */
const container = (use: (spec: ContainerSpec, folder: string) => Promise<void>) =>
  requires(NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-early-"));
    const spec = await makeBareContainer(folder);
    try {
      await use(spec, folder);
      expect(await monitors(spec)).toEqual([]);
      expect(existsSync(containerPaths(spec).lxcpath)).toBe(false);
      expect(await cgroupsOf(spec.hostId)).toEqual([]);
    } finally {
      await removeContainer(spec);
      await rm(folder, { recursive: true });
    }
  });

/** Keeper and starter as they are while the root is open and nothing runs yet. */
async function early(spec: ContainerSpec): Promise<Record<"keeper" | "starter", ProcessIdentity>> {
  const [keeper, starter] = await vi.waitFor(async () => {
    const found = [await livingKeeper(spec.run), (await monitors(spec))[0]] as const;
    expect(found).not.toContain(undefined);
    return found as readonly ProcessIdentity[];
  }, 20_000);
  expect(await readHeldRun(spec.run)).toMatchObject({ boots: 0, program: 0 });
  return { keeper, starter } as Record<"keeper" | "starter", ProcessIdentity>;
}

async function untilEnded(processes: Record<string, ProcessIdentity>): Promise<void> {
  for (const each of Object.values(processes)) await waitForEnd(each, { timeout: 20_000 });
}

it.for(["keeper", "starter"] as const)(
  "leaves nothing when its %s is killed while its root is being prepared",
  (victim, context) =>
    container(async (spec) => {
      const processes: Record<string, ProcessIdentity> = {};
      const started = launchContainer(spec, async () => {
        Object.assign(processes, await early(spec));
        await signalProcess(processes[victim] as ProcessIdentity, "SIGKILL");
        return spec;
      });
      await expect(started).rejects.toMatchObject({ code: "ERR_CONNECTION" });
      await untilEnded(processes);
    })(context),
);

it(
  "leaves nothing when its root cannot be prepared, and tells why",
  container(async (spec) => {
    const processes: Record<string, ProcessIdentity> = {};
    const started = launchContainer(spec, async () => {
      Object.assign(processes, await early(spec));
      throw new Error("not like this");
    });
    await expect(started).rejects.toThrow("not like this");
    await untilEnded(processes);
  }),
);

it(
  "leaves no descriptor open in the process that starts it when its root cannot be prepared",
  container(async (spec) => {
    const fail = async () => {
      const started = launchContainer(spec, async () => Promise.reject(new Error("not like this")));
      await expect(started).rejects.toThrow("not like this");
    };
    // The first opens the programs that this process keeps.
    await fail();
    const before = openDescriptors();
    await fail();
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before);
  }),
);

it(
  "runs nothing when the process that starts it is killed meanwhile, and what that has mounted goes with the next look",
  container(async (spec, folder) => {
    const argv = [
      "--import",
      "tsx",
      "--conditions=@pileus/source",
      join(import.meta.dirname, "support/hang-in-start.ts"),
    ];
    const child = spawn(process.execPath, [...argv, folder], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const processes = await early(spec);
    child.kill("SIGKILL");
    await untilEnded(processes);
    expect(await adoptContainer(spec)).toBeUndefined();
  }),
);

it(
  "harms no later run when it was given up, and what it waited for fails only then",
  container(async (spec) => {
    const controller = new AbortController();
    let fail: (error: Error) => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const given = launchContainer(spec, () => late, { signal: controller.signal });
    given.catch(() => undefined);
    const processes = await early(spec);
    controller.abort(new Error("given up"));
    // As the engine does once it waits no longer.
    expect(await adoptContainer(spec)).toBeUndefined();
    await untilEnded(processes);
    const next = await launchContainer(spec, async () => spec);
    fail(new Error("too late"));
    await expect(given).rejects.toThrow("too late");
    expect(next.isEnding()).toBe(false);
    expect(await adoptContainer(spec)).toBeDefined();
    await next.kill();
    await next.exited;
  }),
);

it(
  "says which map of ids the kernel does not take",
  container(async (spec) => {
    // user_namespaces(7): the ranges of two lines may not overlap.
    const extra = [{ inside: 70_000, outside: 1_900_000_001, count: 1, of: "both" } as const];
    const overlapping = { ...spec, idmap: { base: 1_900_000_000, count: 65_536, extra } };
    await expect(launchContainer(overlapping, async () => overlapping)).rejects.toThrow(/map ids|EINVAL/);
    await releaseContainer(overlapping);
  }),
);
