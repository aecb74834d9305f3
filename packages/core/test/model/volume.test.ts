import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseInstanceConfig } from "../../src/engine/verbs/instance-config.ts";
import { nameOfVolume, parseVolume } from "../../src/model/device/volume.ts";
import { fake } from "../../src/testing/index.ts";

const driver = fake();
const drivers = new Map([["fake", { driver, backend: driver.open({ folder: "/none", hostId: "0123456789" }) }]]);
const devicesOf = (more: object) =>
  parseInstanceConfig(drivers as never, { name: "a", driver: "fake", image: "i", ...more }).config;

describe("a volume", () => {
  it.each([
    ["/srv:/data", { source: "/srv", path: "/data" }],
    ["./src:/src", { source: resolve("src"), path: "/src" }],
    ["..:/up", { source: resolve(".."), path: "/up" }],
    ["/srv:/data/:ro", { source: "/srv", path: "/data/", readonly: true }],
    ["/srv:/data:rw", { source: "/srv", path: "/data" }],
    ["/srv:/data:ro,rslave", { source: "/srv", path: "/data", readonly: true, recursive: true, propagation: "slave" }],
  ])("is read as Docker reads %s", (text, disk) => {
    expect(parseVolume(text)).toEqual({ type: "disk", ...disk });
  });

  it.each([
    ["data:/data", "named volumes do not exist yet"],
    ["/data", "anonymous volumes do not exist yet"],
    ["data", "is not a volume"],
    ["/a:/b:ro:x", "is not a volume"],
    ["/a:/b:z", 'unknown option "z"'],
    ["/a:/b:", 'unknown option ""'],
    ["~/a:/b", "begins with / or ./"],
  ])("is refused as %s", (text, message) => {
    expect(parseVolume(text)).toContain(message);
    expect(() => devicesOf({ volumes: [text] })).toThrow(`volumes.0: ${String(parseVolume(text)).slice(0, 20)}`);
  });

  it("becomes a device, named after its path, beside the others", () => {
    const memory = { type: "disk", source: "tmpfs:", path: "/cache" };
    const volumes = ["/srv:/var/lib/data", { source: "/srv", path: "/src", readonly: true }, "/a:/b-c", "/a:/b/c"];
    const { devices, ...rest } = devicesOf({ devices: { src: memory }, volumes });
    expect(devices).toEqual({
      src: memory,
      "var-lib-data": { type: "disk", source: "/srv", path: "/var/lib/data" },
      "src-2": { type: "disk", source: "/srv", path: "/src", readonly: true },
      "b-c": { type: "disk", source: "/a", path: "/b-c" },
      "b-c-2": { type: "disk", source: "/a", path: "/b/c" },
    });
    expect(rest).not.toHaveProperty("volumes");
  });

  it("has a path of its own, and one that a disk can have", () => {
    expect(() => devicesOf({ volumes: ["/a:/x", "/b:/x"] })).toThrow(/volumes: the device "x" has this path already/);
    expect(() => devicesOf({ volumes: ["/a:/proc"] })).toThrow(/volumes\.0.*elsewhere/);
    expect(() => devicesOf({ volumes: [{ source: "srv", path: "/x" }] })).toThrow(/volumes\.0\.source/);
    expect(() => devicesOf({ volumes: [{ source: "/srv", pth: "/x" }] })).toThrow(/volumes\.0\.pth/);
    expect(() => devicesOf({ volumes: "/a:/b" })).toThrow(/volumes: must be a list/);
    expect(() => devicesOf({ volumes: [1] })).toThrow(/volumes\.0/);
  });

  it("has a name that a device can have, whatever its path", () => {
    expect(nameOfVolume("/Var/Lib_x//Y.z")).toBe("var-lib-x-y-z");
    expect(nameOfVolume("/é")).toBe("volume");
    expect(nameOfVolume(`/${"a".repeat(62)}/b`)).toHaveLength(62);
  });
});
