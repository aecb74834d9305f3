import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "@pileus/core";
import { expect, it } from "vitest";
import { type Apparmor, apparmorEntries, missingApparmor, parseProfiles, parserPath } from "../src/apparmor.ts";

const idmap = { base: 100_000, count: 65_536 };
const unprivileged = { name: "web", idmap };
const privileged = { name: "web", idmap: undefined };
const GENERATED: Apparmor = { kind: "generated", parser: "/usr/sbin/apparmor_parser" };
const loaded = (...profiles: string[]): Apparmor => ({ kind: "loaded", profiles: new Set(profiles) });

it("does not confine a container if the kernel has no AppArmor", () => {
  expect(apparmorEntries(unprivileged, { kind: "absent" })).toEqual([["lxc.apparmor.profile", "unconfined"]]);
});

it.each([unprivileged, privileged])("confines by a generated profile in which systemd can mount", (spec) => {
  expect(apparmorEntries(spec, GENERATED)).toEqual([
    ["lxc.apparmor.profile", "generated"],
    ["lxc.apparmor.allow_nesting", 1],
  ]);
});

it.each([
  [unprivileged, "lxc-container-default-with-nesting"],
  [privileged, "lxc-container-default-cgns"],
])("uses a loaded profile if there is no parser", (spec, profile) => {
  expect(apparmorEntries(spec, loaded("other", profile))).toEqual([["lxc.apparmor.profile", profile]]);
});

it.each([
  [unprivileged, loaded("lxc-container-default-cgns")],
  [privileged, loaded("lxc-container-default-with-nesting")],
  [unprivileged, loaded()],
])("refuses to start a container that would not be confined, and says what to install", (spec, apparmor) => {
  expect(() => apparmorEntries(spec, apparmor)).toThrow(HostError);
  expect(() => apparmorEntries(spec, apparmor)).toThrow(/apparmor_parser .*apt-get install apparmor/);
});

it("gives lxc-start a PATH on which it finds the parser and nothing else, and none where it needs none", () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-parser-"));
  try {
    // The second call finds the link of another process.
    for (const apparmor of [{ kind: "generated", parser: "/elsewhere/apparmor_parser" } as const, GENERATED])
      expect(parserPath(apparmor, folder)).toBe(folder);
    expect(readdirSync(folder)).toEqual(["apparmor_parser"]);
    expect(readlinkSync(join(folder, "apparmor_parser"))).toBe("/usr/sbin/apparmor_parser");
    expect(parserPath({ kind: "absent" }, folder)).toBeUndefined();
    expect(parserPath(loaded(), folder)).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("reports to doctor() what is missing", () => {
  expect(missingApparmor({ kind: "absent" })).toEqual([]);
  expect(missingApparmor(GENERATED)).toEqual([]);
  expect(missingApparmor(loaded("lxc-container-default-with-nesting"))).toEqual([]);
  expect(missingApparmor(loaded("lxc-container-default"))).toMatchObject([{ need: "binary:apparmor_parser" }]);
});

it("reads the names of loaded profiles, which may have blanks and brackets", () => {
  const text = "lxc-container-default (enforce)\n/usr/bin/man (complain)\na (b) c (enforce)\n";
  expect(parseProfiles(text)).toEqual(new Set(["lxc-container-default", "/usr/bin/man", "a (b) c"]));
});
