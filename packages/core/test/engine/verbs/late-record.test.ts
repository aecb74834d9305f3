import type fs from "node:fs";
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { collect } from "../../../src/testing/kit/expect.ts";
import { gate, scriptedRoot } from "../scripted.ts";

// A disk that answers one fsync(2) late cannot be had otherwise.
const disk = vi.hoisted(() => ({ waits: (_path: string): Promise<void> | undefined => undefined }));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  const fsync = (fd: number, done: (error: Error | null) => void) => {
    const waits = disk.waits(real.readlinkSync(`/proc/self/fd/${fd}`));
    if (waits === undefined) real.fsync(fd, done);
    else void waits.then(() => real.fsync(fd, done));
  };
  return { ...real, fsync };
});

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

/** Holds up the next fsync(2) of such a file or folder, until `open()`. */
function holdUp(isIt: (path: string) => boolean) {
  const wait = gate();
  disk.waits = (path) => {
    if (!isIt(path)) return undefined;
    disk.waits = () => undefined;
    return wait.pass();
  };
  return wait;
}

const isNewRecord = (path: string) => /^\.instance\.json\..*\.tmp$/.test(basename(path));

it.each([
  ["rename", "before its record is in place"],
  ["rename", "before the name of its record is on the disk"],
  ["freeze", "before its record is in place"],
  ["freeze", "before the name of its record is on the disk"],
] as const)("a %s that a kill overtakes %s changes and tells nothing later", async (verb, when) => {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
  await instance.start();
  const folder = place.folder("a");
  const early = when === "before its record is in place";
  const wait = holdUp(early ? isNewRecord : (path) => path === folder);
  const late = verb === "rename" ? instance.rename("b") : instance.freeze();
  late.catch(() => undefined);
  await wait.arrived;
  await instance.stop({ mode: "kill" });
  await expect(late).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
  wait.open();
  await vi.waitFor(() => expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]), 10_000);
  expect(await instance.state()).toBe("stopped");
  await instance.delete();
  const events = await collect((await place.open()).watch({ since: "oldest" }), ({ type }) => type === "deleted");
  const ended = events.findIndex((event) => event.type === "state" && event.state === "stopped");
  expect(events.slice(ended).map(({ type }) => type)).toEqual(["state", "exit", "deleted"]);
});
