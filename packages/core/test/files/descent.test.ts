import { fstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Descent } from "../../src/files/descent.ts";
import { openFolderAt } from "../../src/files/folder-descriptor.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "pileus-descent-"));
});
afterEach(() => rmSync(base, { recursive: true }));

const descent = () => new Descent(openFolderAt(base));
const here = (way: Descent) => fstatSync(way.folder.fd).ino;
const inode = (path: string) => statSync(join(base, path)).ino;
const refusal = (code: string) => expect.objectContaining({ code });

describe("a descent", () => {
  it("enters only folders, not files or symlinks to folders", () => {
    mkdirSync(join(base, "folder"));
    symlinkSync("folder", join(base, "link"));
    writeFileSync(join(base, "file"), "");
    using way = descent();
    for (const name of ["link", "file"]) expect(() => way.enter(name)).toThrow(refusal("ENOTDIR"));
    expect(way.depth).toBe(0);
    way.enter("folder");
    expect(here(way)).toBe(inode("folder"));
  });

  it("returns from a depth at which some folders were closed", () => {
    const names = Array.from({ length: 200 }, (_, depth) => `d${depth}`);
    mkdirSync(join(base, ...names), { recursive: true });
    using way = descent();
    for (const name of names) way.enter(name);
    for (let depth = names.length - 1; depth >= 0; depth -= 1) {
      way.leave();
      expect(here(way)).toBe(inode(join(...names.slice(0, depth))));
    }
  });

  it("returns only to the folder that it left", () => {
    const names = Array.from({ length: 100 }, (_, depth) => `d${depth}`);
    mkdirSync(join(base, ...names), { recursive: true });
    using way = descent();
    for (const name of names) way.enter(name);
    // Of the levels that are closed by now.
    renameSync(join(base, ...names.slice(0, 20)), join(base, "elsewhere"));
    const up = () => {
      while (way.depth > 0) way.leave();
    };
    expect(up).toThrow(refusal("ESTALE"));
  });

  it("follows at most 40 symlinks, and closes what it refused", () => {
    using way = descent();
    const folders = Array.from({ length: 41 }, () => openFolderAt(base));
    for (const folder of folders.slice(0, 40)) way.enterElsewhere(folder);
    const last = folders[40] ?? expect.unreachable();
    expect(() => way.enterElsewhere(last)).toThrow(refusal("ELOOP"));
    expect(() => fstatSync(last.fd)).toThrow(refusal("EBADF"));
    // One that it has left counts no more.
    way.leave();
    way.enterElsewhere(openFolderAt(base));
  });
});
