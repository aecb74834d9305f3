import { describe, expect, it } from "vitest";
import { resolveAccount } from "../src/account.ts";

const files = {
  passwd: [
    "root:x:0:0:root:/root:/bin/sh",
    "app:x:1000:1001::/home/app:",
    "12:x:77:78::/odd:",
    "bad:x:z:0::/:",
    "short:x:1",
    "",
  ].join("\n"),
  group: [
    "root:x:0:",
    "app:x:1001:",
    "shared:x:2000:other,app",
    "more:x:1500:app",
    "apple:x:3000:app2",
    "broken:x:x:app",
    "",
  ].join("\n"),
};

describe("resolveAccount", () => {
  it("takes group, home and supplementary groups of a name from the files", () => {
    expect(resolveAccount("app", files)).toEqual({ uid: 1000, gid: 1001, groups: [1500, 2000], home: "/home/app" });
  });

  it("is root when nobody is named", () => {
    expect(resolveAccount("", files)).toEqual({ uid: 0, gid: 0, groups: [], home: "/root" });
    expect(resolveAccount("", { passwd: "", group: "" })).toEqual({ uid: 0, gid: 0, groups: [], home: "/" });
  });

  it("finds a number's entry, and does without one", () => {
    expect(resolveAccount("1000", files)).toEqual({ uid: 1000, gid: 1001, groups: [1500, 2000], home: "/home/app" });
    expect(resolveAccount("4242", files)).toEqual({ uid: 4242, gid: 0, groups: [], home: "/" });
  });

  it("takes a user whose name is a number for the user of that name", () => {
    expect(resolveAccount("12", files)).toMatchObject({ uid: 77, gid: 78 });
  });

  it("adds no supplementary groups when a group is named", () => {
    expect(resolveAccount("app:shared", files)).toEqual({ uid: 1000, gid: 2000, groups: [], home: "/home/app" });
    expect(resolveAccount("1000:5", files)).toMatchObject({ uid: 1000, gid: 5, groups: [] });
  });

  it.each(["nobody", "bad", "short", "app:none", "4294967295", "-1", "99999999999", "0x10"])(
    "does not find %j",
    (spec) => {
      expect(() => resolveAccount(spec, files)).toThrow(expect.objectContaining({ code: "ERR_INSTANCE_NOT_FOUND" }));
    },
  );
});
