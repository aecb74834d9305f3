import { watch } from "node:fs";
import { describe, expect, it } from "vitest";
import { describeQuota, inotifyQuota, keyQuota } from "../src/kernel-quotas.ts";

const KEY_USERS = `    0:    95 94/94 87/1000000 1893/25000000
    1:     2 2/2 1/200 9/20000
65534:     3 3/3 200/200 30/20000
`;

describe("what doctor() says of a limit of the kernel for one user", () => {
  it("is how much is in use, and with less than a system takes also the setting to raise", () => {
    expect(describeQuota({ used: 112, most: 128 }, "fs.inotify.max_user_instances")).toBe("112 of 128 in use");
    expect(describeQuota({ used: 113, most: 128 }, "fs.inotify.max_user_instances")).toMatch(
      /^113 of 128 in use: .*; fix: sysctl -w fs\.inotify\.max_user_instances=1280, /,
    );
  });
  it("is, of keys, what counts against the limit of that user", () => {
    expect(keyQuota(KEY_USERS, 0)).toEqual({ used: 87, most: 1_000_000 });
    expect(keyQuota(KEY_USERS, 65_534)).toEqual({ used: 200, most: 200 });
    expect(keyQuota(KEY_USERS, 5)).toBeUndefined();
    expect(keyQuota("", 0)).toBeUndefined();
  });
  it("is, of inotify, what our user has", () => {
    const before = inotifyQuota();
    expect(before.most).toBeGreaterThan(0);
    const watcher = watch("/");
    try {
      // Other programs of this user may end meanwhile, but this process has one.
      expect(inotifyQuota().used).toBeGreaterThan(0);
    } finally {
      watcher.close();
    }
  });
});
