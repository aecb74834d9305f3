import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findUser } from "../../src/guest/passwd.ts";

let etc: string;

beforeAll(() => {
  etc = mkdtempSync(join(tmpdir(), "pileus-etc-"));
  writeFileSync(
    join(etc, "passwd"),
    "root:x:0:0:root:/root:/bin/sh\n# a comment\n\napp:x:1000:1001:An App:/home/app:/bin/sh\n12:x:13:14::/:\nhomeless:x:15:16:::\n",
  );
  writeFileSync(
    join(etc, "group"),
    "root:x:0:root\napp:x:1001:app\nvideo:x:44:other,app\naudio:x:29:app,\nvideo2:x:44:app\n",
  );
});

afterAll(() => rmSync(etc, { recursive: true }));

const app = { name: "app", uid: 1000, home: "/home/app" };

describe("findUser", () => {
  it.each([
    ["nothing", undefined, { name: "root", uid: 0, gid: 0, home: "/root", groups: [] }],
    ["a name", "app", { ...app, gid: 1001, groups: [44, 29] }],
    ["a number that has a name", "1000", { ...app, gid: 1001, groups: [44, 29] }],
    ["a number that has none", "54321", { name: "54321", uid: 54321, gid: 0, home: "/", groups: [] }],
    ["numbers", "1000:12345", { ...app, gid: 12345, groups: [] }],
    ["a user and a group by name", "app:video", { ...app, gid: 44, groups: [] }],
    ["a name of digits, as a number", "12", { name: "12", uid: 12, gid: 0, home: "/", groups: [] }],
    ["a user without a home", "homeless", { name: "homeless", uid: 15, gid: 16, home: "/", groups: [] }],
    ["an unknown name", "nobody", { unknown: "user" }],
    ["an unknown group", "app:none", { unknown: "group" }],
    ["an id that the kernel takes for none", "4294967295", { unknown: "user" }],
    ["a negative number", "-1", { unknown: "user" }],
  ])("finds %s", (_, user, expected) => {
    expect(findUser(user, etc)).toEqual(expected);
  });

  it("is content with a guest that has neither file", () => {
    expect(findUser(undefined, "/nonexistent")).toEqual({ name: "root", uid: 0, gid: 0, home: "/root", groups: [] });
    expect(findUser("7:8", "/nonexistent")).toMatchObject({ uid: 7, gid: 8 });
    expect(findUser("app", "/nonexistent")).toEqual({ unknown: "user" });
  });
});
