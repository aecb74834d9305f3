import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ProgramActions, startProgram } from "../../src/guest/program.ts";

const { E2BIG, EACCES, ENOENT, ENOEXEC, ENOTDIR } = constants.errno;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-path-"));
  for (const name of ["one", "two"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "one/tool"), "");
  writeFileSync(join(folder, "two/tool"), "echo");
  writeFileSync(join(folder, "two/elf"), "\x7fELF of another machine");
  chmodSync(join(folder, "two/tool"), 0o755);
  symlinkSync("nowhere", join(folder, "two/broken"));
});

afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Returns what was executed, in order, and the result. `outcomes` maps the ends of paths to outcomes; other paths give
 * ENOENT.
 */
function start(argv: readonly string[], outcomes: Readonly<Record<string, number | "runs">>, cwd = folder) {
  const tried: string[] = [];
  const actions: ProgramActions = {
    look: (look) => look(),
    attempt: (file, args) => {
      tried.push([file, ...args].join(" "));
      const [, outcome = ENOENT] = Object.entries(outcomes).find(([end]) => file.endsWith(end)) ?? [];
      return outcome === "runs" ? { pid: 7 } : { errno: outcome };
    },
  };
  return { tried, started: startProgram({ argv, cwd, path: `one:${folder}/two::none` }, actions) };
}

describe("startProgram", () => {
  it("executes the first executable file on PATH, relative to the working folder, and skips folders without it", () => {
    expect(start(["tool", "a"], { "one/tool": EACCES, "two/tool": "runs" })).toEqual({
      tried: ["one/tool tool a", `${folder}/two/tool tool a`],
      started: { pid: 7 },
    });
  });

  it("uses a path as it is", () => {
    expect(start(["two/tool"], { tool: "runs" })).toEqual({ tried: ["two/tool two/tool"], started: { pid: 7 } });
  });

  it("lets the shell run a text file without an interpreter line", () => {
    expect(start(["two/tool", "a"], { "two/tool": ENOEXEC, "/bin/sh": "runs" })).toEqual({
      tried: ["two/tool two/tool a", "/bin/sh /bin/sh two/tool a"],
      started: { pid: 7 },
    });
  });

  it.each([
    [
      "the shell does not run a program for another architecture",
      "two/elf",
      { "two/elf": ENOEXEC, "/bin/sh": "runs" },
      126,
      "ENOEXEC",
    ],
    ["a text file is not executable without a shell", "two/tool", { "two/tool": ENOEXEC }, 126, "ENOEXEC"],
    ["a refused file counts as found", "tool", { "one/tool": EACCES }, 126, "permission denied"],
    ["a dangling link counts as missing", "broken", {}, 127, "not found"],
    ["no program has the empty name", "", {}, 127, "not found"],
    ["a path through a file does not exist", "two/tool/none", { none: ENOTDIR }, 126, "not a folder"],
    ["other errors are named", "two/tool", { tool: E2BIG }, 126, "E2BIG"],
  ] as const)("returns a shell's exit code, and the reason: %s", (_, name, outcomes, code, why) => {
    expect(start([name], outcomes).started).toEqual({ code, reason: `cannot run ${name}: ${why}` });
  });

  it("returns 126 for a working folder that is not a folder", () => {
    const file = `${folder}/two/tool`;
    expect(start(["tool"], {}, file).started).toEqual({ code: 126, reason: `cannot enter ${file}: not a folder` });
    expect(start(["tool"], {}, "/nonexistent").started).toMatchObject({ code: 126 });
  });
});
