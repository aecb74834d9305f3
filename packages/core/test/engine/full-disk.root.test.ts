import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { smallDisks } from "../../../../test-support/full-disk.ts";
import { collect } from "../../src/testing/kit/expect.ts";
import { requires } from "../../src/testing/requires.ts";
import { scriptedRoot } from "./scripted.ts";

const DISKS = smallDisks({ megabytes: 1, inodes: 200 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-full-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("on a full disk", () => {
  it.for(DISKS)("stops, freezes and deletes what runs: $name", ({ fill, mount, unmount, left }, context) =>
    requires(["root"], async () => {
      mount(folder);
      try {
        const place = await scriptedRoot(folder);
        const host = await place.open();
        const config = { driver: "scripted", image: "base", env: { LONG: "x".repeat(2800) } } as const;
        const made = [];
        for (const name of ["a", "b", "c"]) made.push(await host.create({ ...config, name }));
        const [a, b, c] = made as [(typeof made)[0], (typeof made)[0], (typeof made)[0]];
        for (const instance of made) await instance.start();
        fill(folder);
        expect(statfsSync(folder)[left]).toBe(0);
        const full = { code: "ERR_HOST", missing: [{ need: "disk-space" }] };
        await expect(host.create({ ...config, name: "d" })).rejects.toMatchObject(full);
        await a.freeze();
        expect(await a.state()).toBe("frozen");
        await a.unfreeze();
        await a.stop({ mode: "kill" });
        expect(await a.inspect()).toMatchObject({ state: "stopped", exit: { reason: "requested" } });
        await b.stop();
        place.scripted.run("c").end({ kind: "exited", code: 7 });
        expect(await c.wait()).toMatchObject({ reason: "program" });
        for (const name of ["a", "b", "c"])
          expect(JSON.parse(await readFile(join(place.root, "names", name, "instance.json"), "utf8"))).toMatchObject({
            state: "stopped",
          });
        await a.delete();
        await b.delete();
        expect(await readdir(join(place.root, "names"))).toEqual(["c"]);
        await place.dispose();
      } finally {
        unmount(folder);
      }
    })(context),
  );

  it.for(DISKS.filter(({ left }) => left === "bavail"))(
    "says to others, once there is room, how many events may be missing: $name",
    ({ fill, mount, unmount }, context) =>
      requires(["root"], async () => {
        mount(folder);
        const place = await scriptedRoot(folder);
        try {
          const [host, other] = [await place.open(), await place.open()];
          const a = await host.create({ driver: "scripted", name: "a", image: "base" });
          await a.start();
          const mine = collect(a.watch(), ({ type }) => type === "deleted");
          const theirs = collect(other.watch(), ({ type }) => type === "deleted");
          fill(folder);
          // More than fits into what is left of the last block of the journal.
          for (let round = 0; round < 20; round += 1) {
            await a.freeze();
            await a.unfreeze();
          }
          expect(String(await host.doctor())).toMatch(/journal: .*ENOSPC|the disk is full/);
          expect(String(await host.doctor())).toMatch(/journal: \d+ events of this process could not be written/);
          rmSync(join(folder, "filling"));
          await a.delete();
          const [seen, heard] = [await mine, await theirs];
          const missedBy = (events: typeof seen) => events.reduce((sum, { missed = 0 }) => sum + missed, 0);
          // Three for each round; stopping, stopped, exit and deleted.
          const all = 64;
          expect(seen).toHaveLength(all);
          expect(heard.length).toBeLessThan(all);
          // A line that was cut counts beside the event that it was.
          expect(heard.length + missedBy(heard)).toBeGreaterThanOrEqual(all);
          expect(heard.at(-1)?.type).toBe("deleted");
          expect(String(await host.doctor())).not.toContain("could not be written");
        } finally {
          await place.dispose();
          unmount(folder);
        }
      })(context),
  );

  it.for(DISKS.filter(({ left }) => left === "bavail"))(
    "tells a rename once, though its end can be written only when there is room: $name",
    ({ fill, drain, mount, unmount }, context) =>
      requires(["root"], async () => {
        mount(folder);
        const place = await scriptedRoot(folder);
        try {
          const host = await place.open();
          const config = { driver: "scripted", image: "base" } as const;
          const [a, other] = [await host.create({ ...config, name: "a" }), await host.create({ ...config, name: "c" })];
          for (const instance of [a, other]) await instance.start();
          const seen = collect(a.watch(), ({ type }) => type === "deleted");
          place.renaming.step = async () => {
            fill(folder);
            // More than fits into what is left of the last block of the journal.
            for (let round = 0; round < 20; round += 1) {
              await other.freeze();
              await other.unfreeze();
            }
          };
          await a.rename("b");
          delete place.renaming.step;
          await a.freeze();
          await a.unfreeze();
          expect(await readdir(join(place.root, "names"))).toEqual(["b", "c"]);
          drain(folder);
          await a.delete();
          expect((await seen).filter(({ type }) => type === "renamed")).toHaveLength(1);
        } finally {
          await place.dispose();
          unmount(folder);
        }
      })(context),
  );

  it.for(DISKS.filter(({ left }) => left === "bavail"))(
    "tells a rename and a deletion once, though another process tells them again when there is room: $name",
    ({ fill, drain, mount, unmount }, context) =>
      requires(["root"], async () => {
        mount(folder);
        const place = await scriptedRoot(folder);
        try {
          const [host, other] = [await place.open(), await place.open()];
          const config = { driver: "scripted", image: "base" } as const;
          const [a, c] = [await host.create({ ...config, name: "a" }), await host.create({ ...config, name: "c" })];
          for (const instance of [a, c]) await instance.start();
          const theirs = await other.get("a");
          const [mine, seen] = [host, other].map((one) =>
            collect(one.watch(), ({ type, instance }) => type === "created" && instance === "end"),
          );
          const fillJournal = async () => {
            fill(folder);
            // More than fits into what is left of the last block of the journal.
            for (let round = 0; round < 20; round += 1) {
              await c.freeze();
              await c.unfreeze();
            }
          };
          place.renaming.step = fillJournal;
          await a.rename("b");
          delete place.renaming.step;
          drain(folder);
          await theirs.freeze();
          place.scripted.script.remove = fillJournal;
          await a.delete();
          delete place.scripted.script.remove;
          drain(folder);
          await (await place.open()).doctor();
          await other.create({ ...config, name: "end" });
          for (const events of [await mine, await seen])
            expect(
              events?.filter(({ type }) => type === "renamed" || type === "deleted").map(({ type }) => type),
            ).toEqual(["renamed", "deleted"]);
        } finally {
          await place.dispose();
          unmount(folder);
        }
      })(context),
  );
});
