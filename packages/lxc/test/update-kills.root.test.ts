import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Instance, openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { collect } from "../../core/src/testing/kit/expect.ts";
import { random } from "../../core/test/keeper/log/random.ts";
import { type LxcCapability, lxc } from "../src/index.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

/** `PILEUS_KILLS=200` kills more often, `PILEUS_SEED` repeats a run: see docs/testing.md. */
const KILLS = Number(process.env["PILEUS_KILLS"] ?? 12);

const fixture = systemFixture();
type Box = Instance<LxcCapability>;

/** What this process does to the container meanwhile. */
const MEANWHILE: readonly (readonly [string, (box: Box) => Promise<unknown>])[] = [
  ["nothing", async () => undefined],
  ["an update", (box) => box.update({ limits: { cpu: 0.5 } }).then(() => box.update({ limits: { cpu: null } }))],
  ["a freeze", (box) => box.freeze().then(() => box.unfreeze())],
  ["a reboot", (box) => box.reboot({ timeout: 20_000 })],
  ["a rename", (box) => box.rename("other").then(() => box.rename("updated"))],
];

it(
  `has what is on record, after ${KILLS} kills of a process that updates it`,
  { timeout: 120_000 + KILLS * 8000 },
  requires(NEEDS, async () => {
    const { seed, integer } = random();
    console.log(`PILEUS_SEED=${seed}`);
    const { host, image, root } = fixture;
    const box: Box = await host.create({ driver: "lxc", name: "updated", image, limits: { memory: "64MiB" } });
    const { uuid } = await box.inspect();
    await box.start();
    await box.ready();
    const script = fileURLToPath(new URL("support/update-loop.ts", import.meta.url));
    for (let kill = 1; kill <= KILLS; kill++) {
      const child = spawn(
        process.execPath,
        ["--conditions=@pileus/source", "--import", "tsx", script, root, uuid, `${seed + kill}`],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const [name, work] = MEANWHILE[integer(MEANWHILE.length)] as (typeof MEANWHILE)[number];
      const ended = once(child, "exit");
      const [first] = await Promise.race([once(child.stdout, "data"), ended]);
      expect(String(first)).toMatch(/updated|ERR_/);
      child.stdout.resume();
      const pause = integer(40);
      const told = `seed ${seed}, kill ${kill} after ${pause} ms of ${name}, ${first}`;
      const working = work(box);
      await setTimeout(pause);
      child.kill("SIGKILL");
      await Promise.all([ended, working]);
      await using other = await openHost({ root, drivers: [lxc()] });
      const looks = integer(2) === 0 ? box : ((await other.get("updated")) as unknown as Box);
      const { config, applied, state } = await looks.inspect();
      expect([state, applied], told).toEqual(["running", undefined]);
      const { memory } = await looks.metrics();
      expect(memory.limitBytes, told).toBe(config.limits.memory?.limit);
    }
    const { generation } = JSON.parse(await readFile(join(root, "names/updated/instance.json"), "utf8"));
    await box.delete();
    const all = await collect(host.watch({ since: "oldest" }), ({ type }) => type === "deleted");
    // Each change on record is told once.
    expect(all.filter(({ type }) => type === "updated" || type === "renamed")).toHaveLength(generation - 1);
    expect(generation).toBeGreaterThan(KILLS);
  }),
);
