import { expect, it } from "vitest";
import { CommandError } from "../../src/errors/all.ts";
import { isDiskFull } from "../../src/system/disk-full.ts";

it.each([
  ["tar", "tar: usr/bin/sh: Cannot write: No space left on device", true],
  ["cp", "cp: error writing 'disk': Disk quota exceeded", true],
  ["skopeo", 'level=fatal msg="write /scratch/layout/oci-put-blob1: no space left on device"', true],
  ["skopeo", 'level=fatal msg="manifest unknown"', false],
])("recognises a full disk in the output of a tool: %s: %s", (tool, stderr, full) => {
  expect(isDiskFull(new CommandError({ argv: [tool], exitCode: 1, stderr }))).toBe(full);
  expect(isDiskFull(Object.assign(new Error(), { code: full ? "ENOSPC" : "EIO" }))).toBe(full);
});
