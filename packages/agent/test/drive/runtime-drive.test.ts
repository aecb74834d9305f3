import { mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { driveOf } from "../../src/drive/runtime-drive.ts";

it("has another name as soon as one of its files was replaced, whatever its size and its time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-drive-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const source = join(folder, "agent.cjs");
  const name = () => driveOf([{ path: "agent.cjs", source }], folder);
  writeFileSync(source, "one");
  const { atime, mtime } = statSync(source);
  const names = [await name()];
  expect(await name()).toBe(names[0]);
  writeFileSync(source, "longer");
  names.push(await name());
  writeFileSync(source, "LONGER");
  utimesSync(source, atime, new Date(mtime.getTime() + 1000));
  names.push(await name());
  writeFileSync(`${source}.new`, "longer");
  utimesSync(`${source}.new`, atime, new Date(mtime.getTime() + 1000));
  renameSync(`${source}.new`, source);
  names.push(await name(), await driveOf([{ path: "other.cjs", source }], folder));
  expect(new Set(names).size).toBe(5);
});
