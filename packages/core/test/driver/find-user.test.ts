import { expect, it } from "vitest";
import { findUser } from "../../src/driver/find-user.ts";

const FILES: Record<string, string> = {
  "/etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
  "/etc/group": "app:x:1001:\nvideo:x:44:app\n",
};
const read = async (path: string) => FILES[path] ?? "";

it("reads the instance's own files", async () => {
  expect(await findUser(read, "app")).toEqual({
    name: "app",
    uid: 1000,
    gid: 1001,
    home: "/home/app",
    groups: [1001, 44],
  });
  expect(await findUser(read, "app:video")).toMatchObject({ uid: 1000, gid: 44, groups: [44] });
  expect(await findUser(read)).toMatchObject({ name: "root", uid: 0 });
});

it.each([
  ["nobody", 'user "nobody"', "/etc/passwd"],
  ["nobody:video", 'user "nobody"', "/etc/passwd"],
  ["app:nogroup", 'group "nogroup"', "/etc/group"],
  [":nogroup", 'group "nogroup"', "/etc/group"],
])("says which half of %j is unknown, and which file lacks it", async (user, what, file) => {
  const error = await findUser(read, user).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: `ERR_${what.startsWith("user") ? "USER" : "GROUP"}_NOT_FOUND` });
  expect(String(error)).toContain(what);
  expect(String(error)).toContain(file);
});

it("passes on the failure of a read", async () => {
  const reason = new Error("the connection is lost");
  await expect(findUser(() => Promise.reject(reason), "app")).rejects.toBe(reason);
});
