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
