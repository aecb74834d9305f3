import { describe, expect, it } from "vitest";
import { HostError } from "../../../src/errors/all.ts";
import { filtered, lines } from "../support/filtered.ts";
import { file, folder, hardLink, paxBytes, symlink } from "../support/tar-bytes.ts";

describe("LayerFilter writes", () => {
  it("plain names, folders before what is in them, and symlinks last", () => {
    const result = filtered(
      [folder("./"), symlink("./l", "../../x"), file("./a//b/./f"), hardLink("k", "l"), file("/")].slice(0, 4),
    );
    expect(lines(result)).toEqual([
      "directory a",
      "directory a/b",
      "file a/b/f",
      "symlink l -> ../../x",
      "link k -> l",
    ]);
  });

  it("the root when the archive does not list it", () => {
    expect(filtered([file("f")]).entries.map(({ name }) => name)).toEqual(["f", "./"]);
  });

  it("no devices, and counts those that it omitted", () => {
    const result = filtered([
      { name: "sda", flag: "4" },
      { name: "null", flag: "3" },
      hardLink("n", "null"),
      file("f"),
    ]);
    expect(lines(result)).toEqual(["file f"]);
    expect(result.findings.devices).toBe(3);
  });

  it("a hard link to what took the place of a device", () => {
    const result = filtered([{ name: "n", flag: "3" }, file("n"), hardLink("h", "n")]);
    expect(lines(result)).toEqual(["file n", "link h -> n"]);
    expect(lines(filtered([symlink("l", "x"), { name: "l", flag: "3" }]))).toEqual([]);
  });

  it("no metadata of AUFS, anywhere", () => {
    const names = [".wh..wh.plnk/", ".wh..wh.plnk/12.34", ".wh..wh.aufs", "d/.wh..wh.orph/x"];
    expect(lines(filtered(names.map((name) => (name.endsWith("/") ? folder(name) : file(name)))))).toEqual([]);
  });

  it("file capabilities and ACLs, and nothing that overlayfs or a security module reads", () => {
    const kept = { "SCHILY.xattr.security.capability": "c", "SCHILY.xattr.user.a": "b" };
    const dropped = {
      "SCHILY.xattr.trusted.overlay.redirect": "/x",
      "SCHILY.xattr.security.selinux": "s",
      "SCHILY.xattr.user.": "",
    };
    const { entries } = filtered([paxBytes({ ...kept, ...dropped }), file("f")]);
    expect([...(entries[0]?.xattrs.keys() ?? [])]).toEqual(["security.capability", "user.a"]);
  });

  it("the longest attribute of Linux, whatever else is dropped", () => {
    const big = { "SCHILY.xattr.user.a": "v".repeat(65_536), "SCHILY.xattr.trusted.b": "v".repeat(65_536) };
    const { entries } = filtered([paxBytes(big), file("f")]);
    expect(entries[0]?.xattrs.get("user.a")).toHaveLength(65_536);
  });

  it("the later of two entries with one name", () => {
    expect(lines(filtered([symlink("f", "x"), file("f", "y")]))).toEqual(["file f"]);
    expect(lines(filtered([file("f"), symlink("f", "x")]))).toEqual(["file f", "symlink f -> x"]);
  });

  it("whiteout names unchanged when they are files", () => {
    expect(lines(filtered([file(".wh.a")], { whiteouts: false }))).toEqual(["file .wh.a"]);
  });
});

describe("LayerFilter for a user that cannot change owners", () => {
  const owner = { uid: 1000, gid: 1000 };

  it("accepts files of that user", () => {
    const result = filtered([folder("./", owner), folder("d/", owner), file("d/f", "x", owner)], { owner });
    expect(lines(result)).toEqual(["directory d", "file d/f"]);
  });

  it.each([
    ["of another user", file("f", "x", { uid: 1001, gid: 1000 }), /it has files of 1001:1000.*root/],
    ["of another group", file("f", "x", { uid: 1000, gid: 1001 }), /it has files of 1000:1001.*root/],
    ["in a folder that the archive does not give an owner", file("d/f", "x", owner), /it has files of 0:0.*root/],
  ])("refuses a file %s with HostError", (_, entry, told) => {
    const refused = () => filtered([folder("./", owner), entry], { owner });
    expect(refused).toThrow(HostError);
    expect(refused).toThrow(told);
  });
});
