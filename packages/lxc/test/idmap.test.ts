import type { InstanceConfig } from "@pileus/core";
import type { InstanceContext } from "@pileus/core/driver";
import { describe, expect, it } from "vitest";
import { containerIds, idmapRequest } from "../src/idmap.ts";
import { LxcSectionSchema } from "../src/section.ts";

const config = (section: unknown) => ({ driver: "lxc", lxc: section }) as unknown as InstanceConfig;
const path = ["lxc", "idmap", "base"];

describe("the key idmap", () => {
  it.each([
    ["isolated", { mode: "isolated" }],
    ["shared", { mode: "shared" }],
    [{}, { mode: "isolated" }],
    [{ base: 2_000_000 }, { mode: "isolated", base: 2_000_000 }],
    [
      { mode: "isolated", size: 131_072 },
      { mode: "isolated", size: 131_072 },
    ],
  ])("reads %j", (idmap, read) => {
    expect(LxcSectionSchema.parse({ idmap })).toMatchObject({ privileged: false, idmap: read });
  });
  it.each([
    "own",
    true,
    { base: 1000 },
    { base: 2_000_000.5 },
    { size: 1000 },
    { base: 4_294_902_000 },
    { mode: "shared", base: 2_000_000 },
    { mode: "shared", size: 65_536 },
    { first: 2_000_000 },
  ])("refuses %j", (idmap) => {
    expect(LxcSectionSchema.safeParse({ idmap }).success).toBe(false);
  });
  it("reads extra lines: one id of users and groups each, unless they say more", () => {
    const extra = [
      { inside: 1000, outside: 1001 },
      { inside: 50, outside: 500, count: 11, of: "uid" },
      { inside: 50, outside: 500, of: "gid" },
    ];
    expect(LxcSectionSchema.parse({ idmap: { extra } }).idmap).toEqual({
      mode: "isolated",
      extra: extra.map((line) => ({ count: 1, of: "both", ...line })),
    });
  });
  it.each([
    [[{ inside: 1000, outside: 0 }], "0.outside", /^0 is root of the host: .* or write privileged: true$/],
    [[{ inside: 0, outside: 1000 }], "0.inside", /root inside has an id that nobody else has/],
    [[{ inside: 1000, outside: 1000, count: 0 }], "0.count", /1/],
    [[{ inside: 1000, outside: 1000, of: "user" }], "0.of", /uid/],
    [[{ inside: 4_294_967_290, outside: 1000, count: 10 }], "0.inside", /largest id/],
    [[{ inside: 1000, outside: 4_294_967_290, count: 10 }], "0.outside", /largest id/],
    [
      [
        { inside: 1000, outside: 1000, of: "uid" },
        { inside: 900, outside: 2000, count: 101 },
      ],
      "1.inside",
      /line 0/,
    ],
    [
      [
        { inside: 1000, outside: 1000, of: "gid" },
        { inside: 2000, outside: 999, count: 2, of: "gid" },
      ],
      "1.outside",
      /line 0/,
    ],
    [Array.from({ length: 51 }, (_, id) => ({ inside: id + 1, outside: id + 1 })), "", /room for 50 lines/],
  ])("refuses the extra lines %j", (extra, path, message) => {
    const { error } = LxcSectionSchema.safeParse({ idmap: { extra } });
    const issues = error?.issues.map((issue) => ({ ...issue, path: issue.path.join(".") }));
    expect(issues).toMatchObject([{ path: ["idmap.extra", path].join(".").replace(/\.$/, ""), message }]);
  });
  it("refuses an extra line with an id of the range that it names", () => {
    const extra = [
      { inside: 1000, outside: 1000 },
      { inside: 2000, outside: 2_065_535 },
    ];
    const { error } = LxcSectionSchema.safeParse({ idmap: { base: 2_000_000, extra } });
    expect(error?.issues).toMatchObject([{ path: ["idmap", "extra", 1, "outside"], message: /has this id already/ }]);
  });
  it("does not go with privileged", () => {
    const { error } = LxcSectionSchema.safeParse({ privileged: true, idmap: "isolated" });
    expect(error?.issues).toMatchObject([{ path: ["idmap"], message: /ids of the host/ }]);
  });
});

describe("the ids that a container asks for", () => {
  it.each([
    [{ privileged: false }, { mode: "isolated", count: 65_536, path }],
    [LxcSectionSchema.parse({ idmap: "shared" }), { mode: "shared", count: 65_536, path }],
    [
      LxcSectionSchema.parse({ idmap: { base: 3_000_000, size: 99_999 } }),
      { mode: "isolated", base: 3_000_000, count: 99_999, path },
    ],
    [{ privileged: true }, undefined],
  ])("with %j", (section, request) => {
    expect(idmapRequest(config(section))).toEqual(request);
  });
});

describe("the ids that a container has", () => {
  const idmap = { base: 3_000_000, count: 65_536 };
  it.each([
    ["those that it was given", { privileged: false }, idmap, { idmap, mappedOnDisk: false }],
    [
      "the shared ones, also on disk, if an earlier release created it",
      { privileged: false },
      undefined,
      { idmap: { base: 100_000, count: 65_536 }, mappedOnDisk: true },
    ],
    ["the host's, if it is privileged", { privileged: true }, undefined, { idmap: undefined, mappedOnDisk: false }],
  ])("are %s", (_, section, given, ids) => {
    expect(containerIds({ config: config(section), idmap: given } as InstanceContext)).toEqual(ids);
  });
});
