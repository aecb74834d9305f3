import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../../src/guest/program.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-path-"));
  for (const name of ["one", "two"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "one/tool"), "");
  writeFileSync(join(folder, "two/tool"), "");
  chmodSync(join(folder, "two/tool"), 0o755);
  symlinkSync("tool", join(folder, "two/link"));
  symlinkSync("nowhere", join(folder, "two/broken"));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("findProgram", () => {
  const find = (name: string, cwd = folder) => findProgram(name, cwd, `one:${folder}/two:relative`);

  it("takes the first on PATH that can be executed, as a shell does", () => {
    expect(find("tool")).toEqual({ kind: "found", file: `${folder}/two/tool` });
    expect(find("link")).toEqual({ kind: "found", file: `${folder}/two/link` });
  });

  it("takes a path as it is, from cwd", () => {
    expect(find("two/tool")).toEqual({ kind: "found", file: `${folder}/two/tool` });
    expect(find("./tool", `${folder}/two`)).toEqual({ kind: "found", file: `${folder}/two/tool` });
    expect(find(`${folder}/two/tool`)).toEqual({ kind: "found", file: `${folder}/two/tool` });
  });

  it.each([
    ["one/tool", 126],
    ["./two", 126],
    ["broken", 127],
    ["none", 127],
    ["two/tool/none", 127],
    ["", 127],
  ])("gives for %s the code %i, with the reason", (name, code) => {
    expect(find(name)).toEqual({ kind: "failed", code, reason: expect.any(String) });
  });

  it("gives 126 for a working folder that is none", () => {
    expect(find("tool", `${folder}/two/tool`)).toMatchObject({ kind: "failed", code: 126 });
    expect(find("tool", "/nonexistent")).toMatchObject({ kind: "failed", code: 126 });
  });
});
