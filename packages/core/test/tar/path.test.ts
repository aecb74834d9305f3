import { describe, expect, it } from "vitest";
import { imagePath, linkPath } from "../../src/tar/path.ts";

describe("imagePath", () => {
  it.each([
    [".", []],
    ["./", []],
    ["/", []],
    ["//", []],
    ["a", ["a"]],
    ["/a", ["a"]],
    ["./a//b/./", ["a", "b"]],
    [".a/..b/c..", [".a", "..b", "c.."]],
    ["...", ["..."]],
    ["a\nb", ["a\nb"]],
  ])("of %j is %j", (name, parts) => {
    expect(imagePath("img", name)).toEqual(parts);
  });

  it("accepts a path and a component of the greatest length of Linux, and refuses one more byte", () => {
    const longest = `${"n".repeat(255)}/`.repeat(16);
    expect(longest).toHaveLength(4096);
    expect(imagePath("img", longest.slice(1))).toHaveLength(16);
    expect(() => imagePath("img", longest)).toThrow(/has a name of 4096 bytes/);
    expect(() => imagePath("img", `a/${"n".repeat(256)}`)).toThrow(/has a component of 256 bytes/);
  });

  it.each([
    ["", /has an empty name/],
    ["..", /leaves the root/],
    ["a/../b", /leaves the root/],
    ["a/..", /leaves the root/],
    ["a\0", /has NUL in its name/],
  ])("refuses %j", (name, why) => {
    expect(() => imagePath("img", name)).toThrow(why);
  });
});

describe("linkPath", () => {
  it("begins at the image's root, with or without a slash", () => {
    expect(linkPath("img", "h", "/etc/passwd")).toEqual(["etc", "passwd"]);
    expect(linkPath("img", "h", "etc/passwd")).toEqual(["etc", "passwd"]);
  });

  it.each([".", "/", "./."])("refuses the root %j, and names the link", (target) => {
    expect(() => linkPath("img", "h", target)).toThrow(/"h" is a hard link to the root/);
  });

  it("names the link when its target is refused", () => {
    expect(() => linkPath("img", "h", "../x")).toThrow(/"h" leaves the root/);
  });
});
