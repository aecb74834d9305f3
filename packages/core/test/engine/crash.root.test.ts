import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scriptedRoot } from "./scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

/** Runs another process on the root until it stands at `step`; then kills it, when asked to. */
async function processAt(step: string) {
  const script = fileURLToPath(new URL("crash-child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, place.root, step], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
}

describe("a process killed by SIGKILL", () => {
  it.each(["materialize", "remove"])("during %s leaves nothing once the root is opened again", async (step) => {
    const kill = await processAt(step);
    const early = await place.open();
    expect(await early.list()).toEqual([]);
    expect(await readdir(`${place.root}/names`)).toEqual(["a"]);
    expect(await readdir(`${place.root}/instances`)).toHaveLength(1);
    await kill();
    await place.recovered();
    for (const folder of ["instances", "names"]) expect(await readdir(`${place.root}/${folder}`)).toEqual([]);
    expect(await readdir(`${place.root}/locks`)).toEqual(["host"]);
  });

  it("during a start leaves the instance stopped, also for a process that was waiting for its lock", async () => {
    const kill = await processAt("launch");
    const opening = place.open();
    await kill();
    const host = await opening;
    const instance = await host.get("a");
    expect(await instance.state()).toBe("stopped");
    await instance.start();
    expect(await instance.state()).toBe("running");
  });
});
