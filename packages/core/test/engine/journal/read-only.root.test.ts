import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect } from "../../../src/testing/kit/expect.ts";
import { requires } from "../../../src/testing/requires.ts";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

describe("a journal on a file system that is read-only", () => {
  it(
    "keeps nothing from working, and doctor() says why others hear nothing",
    requires(["root"], async () => {
      const before = await place.open();
      await before[Symbol.asyncDispose]();
      const folder = join(place.root, "journal");
      execFileSync("mount", ["--bind", folder, folder]);
      try {
        execFileSync("mount", ["-o", "remount,bind,ro", folder]);
        const host = await place.open();
        const a = await host.create({ driver: "scripted", name: "a", image: "base" });
        const seen = collect(a.watch(), ({ type }) => type === "deleted");
        await a.start();
        expect(String(await host.doctor())).toMatch(/journal: it cannot be used.*EROFS/);
        await a.delete();
        expect((await seen).at(-1)?.type).toBe("deleted");
        await host[Symbol.asyncDispose]();
      } finally {
        execFileSync("umount", [folder]);
      }
    }),
  );
});
