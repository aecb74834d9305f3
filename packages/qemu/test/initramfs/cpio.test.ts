import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { renderCpio } from "../../src/initramfs/cpio.ts";

const archive = renderCpio([
  { name: "dev", type: "directory", mode: 0o755 },
  { name: "dev/console", type: "character-device", mode: 0o600, device: { major: 5, minor: 1 } },
  { name: "init", type: "file", mode: 0o755, data: "#!/bin/sh\n" },
  { name: "bin", type: "symlink", mode: 0o777, data: "usr/bin" },
]);

it("writes an archive that cpio lists with types, modes and targets", () => {
  const list = execFileSync("cpio", ["--list", "--verbose", "--numeric-uid-gid", "--quiet"], {
    input: archive,
    encoding: "utf8",
  });
  const lines = list
    .trim()
    .split("\n")
    .map((line) => line.replace(/ +\w+ +\d+ +[\d:]+ /, " ").replace(/ +/g, " "));
  expect(lines).toEqual([
    "drwxr-xr-x 1 0 0 0 dev",
    "crw------- 1 0 0 5, 1 dev/console",
    "-rwxr-xr-x 1 0 0 10 init",
    "lrwxrwxrwx 1 0 0 7 bin -> usr/bin",
  ]);
});

it("pads every part to four bytes, so that archives can follow each other", () => {
  expect(archive.length % 4).toBe(0);
});
