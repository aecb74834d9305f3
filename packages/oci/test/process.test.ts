import { OciProcessSchema } from "@pileus/core";
import { describe, expect, it } from "vitest";
import { resolveProgram } from "../src/process.ts";
import { type OciSectionInput, OciSectionSchema } from "../src/section.ts";

const image = (changes: object = {}) => OciProcessSchema.parse({ entrypoint: ["/e"], cmd: ["c"], ...changes });
const resolve = (section: OciSectionInput = {}, changes: object = {}, env: Record<string, string> = {}) =>
  resolveProgram(image(changes), OciSectionSchema.parse(section), { name: "box", env });

describe("resolveProgram", () => {
  it("joins the image's entrypoint and cmd", () => {
    expect(resolve().argv).toEqual(["/e", "c"]);
    expect(resolve({}, { entrypoint: [] }).argv).toEqual(["c"]);
  });

  it("drops the image's cmd with the image's entrypoint", () => {
    expect(resolve({ entrypoint: ["/mine"] }).argv).toEqual(["/mine"]);
    expect(resolve({ entrypoint: ["/mine"], cmd: ["x"] }).argv).toEqual(["/mine", "x"]);
  });

  it("keeps the image's cmd if the entrypoint is only removed", () => {
    expect(resolve({ entrypoint: [] }).argv).toEqual(["c"]);
  });

  it("puts another cmd behind the image's entrypoint", () => {
    expect(resolve({ cmd: ["x", ""] }).argv).toEqual(["/e", "x", ""]);
    expect(resolve({ cmd: [] }).argv).toEqual(["/e"]);
  });

  it("keeps spaces, quotes, newlines and empty arguments", () => {
    const cmd = ["a b", "", `'"\\`, "new\nline", "$HOME", "-", "é"];
    expect(resolve({ cmd }).argv.slice(1)).toEqual(cmd);
  });

  it("refuses an image without a program if the section names none", () => {
    const nothing = { entrypoint: [], cmd: [] };
    expect(() => resolve({}, nothing)).toThrow(expect.objectContaining({ code: "ERR_CONFIG" }));
    expect(resolve({ cmd: ["/bin/sh"] }, nothing).argv).toEqual(["/bin/sh"]);
  });

  it.each([
    ["entrypoint", { entrypoint: [""] }],
    ["entrypoint", { entrypoint: ["", "x"], cmd: ["y"] }],
    ["cmd", { entrypoint: [], cmd: [""] }],
  ])("refuses an empty word for the program, and names the %s", (key, section) => {
    const message = `invalid instance config: oci.${key}: the first word is the program: it cannot be empty`;
    expect(() => resolve(section)).toThrow(message);
  });

  it.each([
    ["entrypoint", { entrypoint: [""] }],
    ["cmd", { entrypoint: [], cmd: ["", "x"] }],
  ])("says that the empty word for the program is in the image's %s, if it is", (key, image) => {
    const message = `invalid instance config: oci.${key}: the image's ${key} begins with an empty word`;
    expect(() => resolve({}, image)).toThrow(message);
    expect(resolve({ entrypoint: ["/mine"] }, image).argv).toEqual(["/mine"]);
  });

  it("lets the instance's environment override the image's, and that the defaults", () => {
    const { env } = resolve({}, { env: ["A=image", "B=1=2", "PATH=/only", "C", "A=last"] }, { B: "mine\nnew" });
    expect(env).toEqual({ PATH: "/only", HOSTNAME: "box", A: "last", B: "mine\nnew", C: "" });
    expect(resolve().env["PATH"]).toContain("/usr/local/sbin:");
  });

  it("refuses an image's variable that no program can get, unless the instance overrides it", () => {
    const said = { env: ["PATH=/a\n/b"] };
    expect(() => resolve({}, said)).toThrow("env.PATH: this variable cannot hold a line break");
    expect(resolve({}, said, { PATH: "/a" }).env["PATH"]).toBe("/a");
  });

  it("prefers workdir, user and stop signal of the section to those of the image", () => {
    const said = { workdir: "/w", user: "u", stopSignal: "SIGINT" };
    expect(resolve({}, said)).toMatchObject({ workdir: "/w", user: "u", stopSignal: 2 });
    expect(resolve({ workdir: "/x", user: "1:2", stopSignal: "SIGQUIT" }, said)).toMatchObject({
      workdir: "/x",
      user: "1:2",
      stopSignal: 3,
    });
    expect(resolve()).toMatchObject({ workdir: "/", user: "", stopSignal: 15 });
    expect(resolve({}, { workdir: "rel/../a" }).workdir).toBe("/a");
  });

  it("refuses an image's stop signal that does not exist, unless another is named", () => {
    expect(() => resolve({}, { stopSignal: "SIGNONE" })).toThrow("is not a signal");
    expect(resolve({ stopSignal: "9" }, { stopSignal: "SIGNONE" }).stopSignal).toBe(9);
  });
});

describe("OciSectionSchema", () => {
  it("may be absent", () => {
    const confinement = { capabilities: { add: [], drop: [] }, noNewPrivileges: true, seccomp: "default" };
    const rest = { init: false, keepAlive: false, privileged: false, systemPaths: "default" };
    expect(OciSectionSchema.parse(undefined)).toEqual({ ...rest, ...confinement });
  });

  it.each<[string, unknown]>([
    ["an unknown key", { command: ["x"] }],
    ["a NUL in an argument", { cmd: ["a\0b"] }],
    ["an argument of 128 KiB", { cmd: ["x".repeat(131_072)] }],
    ["a relative working directory", { workdir: "a" }],
    ["a newline in the working directory", { workdir: "/a\nlxc.hook.pre-start = /x" }],
    ["a newline at the end of the working directory", { workdir: "/a\n" }],
    ["a newline in the user", { user: "a\nb" }],
    ["two colons in the user", { user: "a:b:c" }],
    ["a signal that does not exist", { stopSignal: "SIGNONE" }],
    ["a shell's string for cmd", { cmd: "ls -l" }],
  ])("refuses %s", (_name, section) => {
    expect(OciSectionSchema.safeParse(section).success).toBe(false);
  });
});

describe("the role of process 1", () => {
  it("is the program's, an init's with the program, or an init's alone", () => {
    expect(resolve()).toMatchObject({ role: "program", argv: ["/e", "c"] });
    expect(resolve({ init: true }, { stopSignal: "SIGINT" })).toMatchObject({ role: "reaper", stopSignal: 2 });
    const box = resolve({ keepAlive: true, init: true }, { entrypoint: [], cmd: [], stopSignal: "SIGINT" });
    expect(box).toMatchObject({ role: "idle", argv: [], stopSignal: 15 });
  });

  it.each([{ entrypoint: ["x"] }, { cmd: [] }, { stopSignal: "SIGINT" }])("refuses keepAlive with %j", (section) => {
    const { error } = OciSectionSchema.safeParse({ keepAlive: true, ...section });
    expect(error?.issues).toMatchObject([{ path: Object.keys(section) }]);
  });
});
