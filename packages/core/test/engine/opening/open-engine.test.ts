import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

describe("opening", () => {
  it("refuses two drivers with the same name", async () => {
    const { openHost } = await import("../../../src/host.ts");
    const drivers = [place.scripted.driver(), place.scripted.driver()];
    await expect(openHost({ root: place.root, drivers })).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });

  it.each([
    ["Upper", /RFC 1123 label/],
    ["image", /every configuration has a key/],
  ])("refuses a driver named %s, and says why", async (name, why) => {
    const { openHost } = await import("../../../src/host.ts");
    const drivers = [{ ...place.scripted.driver(), name }];
    await expect(openHost({ root: place.root, drivers })).rejects.toThrow(why);
  });

  it("says what to do when the user may not write to the root folder", async () => {
    const parent = join(place.root, "..");
    await chmod(parent, 0o555);
    const uid = process.geteuid?.();
    // Root may write anywhere, and stands for an ordinary user meanwhile.
    if (uid === 0) process.seteuid?.(65534);
    try {
      await expect(place.open()).rejects.toMatchObject({ code: "ERR_HOST", missing: [{ need: "root" }] });
    } finally {
      if (uid === 0) process.seteuid?.(0);
      await chmod(parent, 0o700);
    }
  });

  it("reports what each driver lacks, with the fix, for a person to read", async () => {
    const host = await place.open();
    const report = await host.doctor();
    expect(report.drivers["scripted"]?.usable).toBe(false);
    expect(String(report)).toMatch(/missing binary:ghost: not on PATH\n {4}fix: apt-get install ghost/);
    expect(String(report)).toContain(process.version);
  });
});
