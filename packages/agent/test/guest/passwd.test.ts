import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findUser } from "../../src/guest/passwd.ts";

it("finds accounts in the guest's own files", () => {
  const etc = mkdtempSync(join(tmpdir(), "pileus-etc-"));
  try {
    writeFileSync(join(etc, "passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:An App:/home/app:/bin/sh\n");
    writeFileSync(join(etc, "group"), "wheel:x:10:root\nvideo:x:44:other,app\n");
    expect(findUser("app", etc)).toEqual({ name: "app", uid: 1000, gid: 1001, home: "/home/app", groups: [1001, 44] });
    expect(findUser(undefined, etc)).toEqual({ name: "root", uid: 0, gid: 0, home: "/root", groups: [0, 10] });
    expect(findUser("nobody", etc)).toEqual({ unknown: "user" });
  } finally {
    rmSync(etc, { recursive: true });
  }
});

it("works in a guest that has neither file", () => {
  expect(findUser(undefined, "/nonexistent")).toEqual({ name: "root", uid: 0, gid: 0, home: "/root", groups: [0] });
  expect(findUser("app", "/nonexistent")).toEqual({ unknown: "user" });
});
