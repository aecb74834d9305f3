import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openHost } from "../../../src/index.ts";
import { fake, importFakeImage } from "../../../src/testing/index.ts";
import { collect, eventually, passing } from "../../../src/testing/kit/expect.ts";
import { instead } from "../../testing/broken.ts";
import { gate } from "../scripted.ts";
import { MEMORY, MIB, updating } from "./updating.ts";

const { place, recordOf } = updating();

/** A host whose driver changes a run when `pass` lets it, whatever its signal says. */
async function slow(pass: () => Promise<unknown>) {
  const good = fake({ world: place.world });
  const limits: (number | undefined)[] = [];
  const driver: typeof good = {
    ...good,
    open: (context) => {
      const backend = good.open(context);
      return instead(backend, {
        launch: async (...call) => {
          const running = await backend.launch(...call);
          return instead(running, {
            update: async (change) => {
              await pass();
              limits.push(change.after.limits.memory?.limit);
              await running.update?.(change, {});
            },
          });
        },
      });
    },
  };
  const host = await openHost({ root: place.root, drivers: [driver] });
  place.hosts.push(host);
  const image = await importFakeImage(host);
  const box = await host.create({ name: "box", driver: "fake", image, limits: { memory: 32 * MIB } });
  await box.start();
  return { host, box, limits };
}

it("an update that a kill has overtaken takes nothing back, and the next start has what it recorded", async () => {
  const { arrived, open, pass } = gate();
  const { host, box, limits } = await slow(pass);
  const manifest = await readFile(join(place.root, "names/box/run/run.json"), "utf8");
  const updated = box.update(MEMORY).catch((error: unknown) => error);
  await arrived;
  const killed = box.stop({ mode: "kill" });
  // It succeeds after the kill has overtaken it.
  setTimeout(open, 1500);
  const failure = await updated;
  expect(failure).toMatchObject({ code: "ERR_INSTANCE_STATE", message: expect.stringContaining("has overtaken") });
  expect(limits).toEqual([64 * MIB]);
  expect(await readFile(join(place.root, "names/box/run/run.json"), "utf8")).toBe(manifest);
  await killed;
  expect(await recordOf("box")).toMatchObject({ state: "stopped", generation: 2 });
  await box.start();
  expect((await box.metrics()).memory.limitBytes).toBe(64 * MIB);
  await box.delete();
  const told = await collect(host.watch({ since: "oldest" }), ({ type }) => type === "deleted");
  expect(told.filter(({ type }) => type === "updated")).toHaveLength(1);
});

it("an update that is aborted waits for its driver, and no other begins before", async () => {
  const { arrived, open, pass } = gate();
  const { box, limits } = await slow(pass);
  const controller = new AbortController();
  const settled: string[] = [];
  const updated = box.update(MEMORY, { signal: controller.signal }).then(
    () => settled.push("done"),
    () => settled.push("aborted"),
  );
  await arrived;
  controller.abort(new Error("enough"));
  const next = box.update({ limits: { memory: 48 * MIB } });
  await passing(100);
  expect([settled, limits]).toEqual([[], []]);
  open();
  await Promise.all([updated, next]);
  expect([limits.at(0), limits.at(-1)]).toEqual([64 * MIB, 48 * MIB]);
  expect((await box.metrics()).memory.limitBytes).toBe(48 * MIB);
  expect((await box.inspect()).config.limits.memory?.limit).toBe(48 * MIB);
});

it("an update that is aborted, and cannot be kept, is taken back all the same", async () => {
  const { arrived, open, pass } = gate();
  const { box, limits } = await slow(pass);
  const controller = new AbortController();
  const updated = box.update(MEMORY, { signal: controller.signal });
  await arrived;
  controller.abort(new Error("enough"));
  // Nothing can be renamed from a folder: the manifest cannot be written.
  const temporary = join(place.root, "names/box/run/run.json.tmp");
  await mkdir(temporary);
  open();
  await expect(updated).rejects.toThrow("enough");
  // A call that was aborted may still be at its end.
  await eventually(5000, "the step back", async () => limits[1]);
  await rmdir(temporary);
  // At once, not by the next look.
  expect(limits).toEqual([64 * MIB, 32 * MIB]);
  expect((await box.metrics()).memory.limitBytes).toBe(32 * MIB);
  expect((await box.inspect()).config.limits.memory?.limit).toBe(32 * MIB);
});
