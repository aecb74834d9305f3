import { expect, it } from "vitest";
import { parts } from "../../src/device/disk-unmount.ts";
import { mountedOn } from "../../src/device/disk-users.ts";
import { parseMounts, topmost } from "../../src/system/mounts.ts";
import { nameBytes } from "../../src/text/byte-name.ts";

const line = (text: string) => Buffer.from(`${text}\n`, "latin1");

it("reads the bytes of a path whatever they are, and the peer groups", () => {
  const path = Buffer.concat([Buffer.from("/ä b\n\\"), Buffer.from([0xff])]);
  const escaped = "/\xc3\xa4\\040b\\012\\134\xff";
  const [point] = parseMounts(line(`65 44 0:39 / ${escaped} rw,relatime shared:7 master:3 - tmpfs none rw`));
  expect(point).toMatchObject({ id: 65, parent: 44, group: 7, master: 3 });
  expect(nameBytes(point?.path ?? "").equals(path)).toBe(true);
});

it("does not take the name of a file system for a peer group", () => {
  const [point] = parseMounts(line("65 44 0:39 / /x rw - tmpfs shared:9 master:9"));
  expect(point).toMatchObject({ group: undefined, master: undefined });
});

it("goes no path within another mount", () => {
  const at = (path: string, id: number) => ({ id, parent: 1, path });
  const found = topmost([at("/a", 1), at("/a", 2), at("/a/b", 3), at("/ab", 4), at("/c/d", 5)]);
  expect(found.map(({ id }) => id)).toEqual([1, 2, 4, 5]);
});

it("tells what was mounted inside on a disk or its copies, and not what came with the disk", () => {
  const tree = [
    { id: 1, parent: 0, path: "/r/data", group: 5 },
    { id: 2, parent: 1, path: "/r/data/sub", group: 6 },
  ];
  const inside = [
    { id: 10, parent: 9, path: "/data", master: 5 },
    { id: 11, parent: 10, path: "/data/sub", master: 6 },
    { id: 12, parent: 10, path: "/data/\u001b[31m" },
    { id: 13, parent: 9, path: "/else" },
  ];
  expect(mountedOn(tree, inside)).toEqual(["the mount at /data/\\u001b[31m inside"]);
});

it("cuts a path into parts that a call takes, none of which is lost", () => {
  const names = Array.from({ length: 40 }, (_, n) => `${n}`.padStart(250, "x"));
  const all = parts(names);
  expect(all.join("/").split("/")).toEqual(names);
  expect(all.every((part) => Buffer.byteLength(part) < 1300)).toBe(true);
});
