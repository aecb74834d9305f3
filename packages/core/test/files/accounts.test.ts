import { describe, expect, it } from "vitest";
import { findAccount } from "../../src/files/accounts.ts";

const passwd = [
  "+::::::",
  "# a comment",
  "",
  "root:x:0:0:root:/root:/bin/sh",
  "app:x:1000:100:An App:/home/app:/bin/sh",
  "12:x:13:14::/:",
  "homeless:x:15:16:::",
  "broken:x:-1:nobody",
].join("\n");
const group = [
  "+:::",
  "root:x:0:root",
  "wheel:x:10:root",
  "users:x:100:app",
  "audio:x:29:app,",
  "video:x:44:other,app",
  "video2:x:44:app",
  "bad:x:x:app",
].join("\n");

const root = { name: "root", uid: 0, home: "/root" };
const app = { name: "app", uid: 1000, home: "/home/app" };

describe("findAccount", () => {
  it.each([
    [undefined, { ...root, gid: 0, groups: [0, 10] }],
    ["", { ...root, gid: 0, groups: [0, 10] }],
    ["0", { ...root, gid: 0, groups: [0, 10] }],
    ["root:0", { ...root, gid: 0, groups: [0] }],
    ["app", { ...app, gid: 100, groups: [100, 29, 44] }],
    ["1000", { ...app, gid: 100, groups: [100, 29, 44] }],
    ["app:video", { ...app, gid: 44, groups: [44] }],
    ["1000:0", { ...app, gid: 0, groups: [0] }],
    ["4242", { uid: 4242, gid: 0, groups: [0], home: "/", name: "4242" }],
    ["4242:4243", { uid: 4242, gid: 4243, groups: [4243], home: "/", name: "4242" }],
    ["app:", { ...app, gid: 100, groups: [100, 29, 44] }],
    ["1000:", { ...app, gid: 100, groups: [100, 29, 44] }],
    [":1000", { ...root, gid: 1000, groups: [1000] }],
    [":", { ...root, gid: 0, groups: [0, 10] }],
    ["12", { uid: 12, gid: 0, groups: [0], home: "/", name: "12" }],
    ["homeless", { uid: 15, gid: 16, groups: [16], home: "/", name: "homeless" }],
  ])("finds %j", (user, account) => {
    expect(findAccount(user, { passwd, group })).toEqual(account);
  });

  it.each([
    ["nobody", "user"],
    ["broken", "user"],
    ["+", "user"],
    ["4294967295", "user"],
    ["-1", "user"],
    ["app:none", "group"],
    ["app:bad", "group"],
  ])("does not find %j", (user, unknown) => {
    expect(findAccount(user, { passwd, group })).toEqual({ unknown });
  });

  it("accepts an instance that has neither file", () => {
    const none = { passwd: "", group: "" };
    expect(findAccount(undefined, none)).toEqual({ ...root, gid: 0, groups: [0] });
    expect(findAccount("7:8", none)).toMatchObject({ uid: 7, gid: 8 });
    expect(findAccount("app", none)).toEqual({ unknown: "user" });
  });
});
