import { describe, expect, it } from "vitest";
import { CommonConfigSchema, type DevicesInput } from "../../src/index.ts";
import { parse } from "../../src/model/parse.ts";

const DISK = { type: "disk", source: "/srv", path: "/data" } as const;
const read = (devices: object) =>
  parse(CommonConfigSchema, { name: "a", driver: "d", image: "i", devices }, "config").devices as DevicesInput;
const messageOf = (devices: object): string => {
  try {
    read(devices);
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

describe("a disk", () => {
  it("is a folder of the host, or memory", () => {
    expect(read({ data: DISK })).toEqual({ data: DISK });
    const memory = { type: "disk", source: "tmpfs:", path: "/cache", size: "1MiB", mode: 0o700 };
    expect(read({ cache: memory })).toEqual({ cache: { ...memory, size: 2 ** 20 } });
  });

  it.each([
    ["a relative source", { source: "srv" }, "absolute path of the host"],
    ["another scheme", { source: "ceph:pool/x" }, "absolute path of the host"],
    ["no source", { source: undefined }, "source: is missing"],
    ["a source with NUL", { source: "/a\0b" }, "NUL"],
    ["a long source", { source: `/${"a".repeat(4095)}` }, "4095 bytes"],
    ["a relative path", { path: "data" }, "absolute path inside"],
    ["no path", { path: undefined }, "path: is missing"],
    ["a path with ..", { path: "/a/../b" }, 'write "/b"'],
    ["a path that ends with a slash", { path: "/a/" }, 'write "/a"'],
    ["the root", { path: "/" }, "has a disk already"],
    ["/proc", { path: "/proc" }, "mounts its own there"],
    ["what is below /dev", { path: "/dev/shm" }, "mounts its own there"],
    ["a size without memory", { size: "1MiB" }, 'only of source: "tmpfs:"'],
    ["memory with a map", { source: "tmpfs:", shift: false }, "a tmpfs has none"],
    ["another propagation", { propagation: "shared" }, "propagation"],
    ["a misspelt key", { readOnly: true }, 'did you mean "readonly"'],
  ])("is refused with %s", (_, change, message) => {
    expect(messageOf({ data: { ...DISK, ...change } })).toContain(message);
  });

  it("may be below a path that only begins like one of the system", () => {
    expect(messageOf({ data: { ...DISK, path: "/device" } })).toBe("no error");
  });

  it("has a path of its own", () => {
    expect(messageOf({ a: DISK, b: DISK })).toContain('devices.b.path: the device "a" has this path already');
  });

  it("has the name of a label, and only a nic needs that of an interface", () => {
    const long = "a-name-longer-than-any-interface";
    expect(messageOf({ [long]: DISK, "0": { ...DISK, path: "/x" } })).toBe("no error");
    expect(messageOf({ [long]: { type: "nic", network: "net0" } })).toContain("interface name");
    expect(messageOf({ lo: { ...DISK } })).toBe("no error");
    expect(messageOf({ "a/b": DISK })).toContain("name of a device");
  });
});
