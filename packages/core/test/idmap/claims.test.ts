import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Claims } from "../../src/idmap/claims.ts";

const CLAIM = { base: 1_000_000, count: 65_536, key: "a" };
let folder: string;
let claims: Claims;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-claims-"));
  claims = new Claims(folder);
});
afterEach(() => rm(folder, { recursive: true }));

describe("a claim is abandoned", () => {
  it.each<[name: string, abandoned: boolean, make: (record: string) => void]>([
    ["whose record is missing", true, () => undefined],
    ["whose record is of another instance", true, (record) => writeFileSync(record, '{"uuid":"b"}')],
    ["whose record is below a file", true, (record) => writeFileSync(join(record, ".."), "")],
    ["but not one whose record names it", false, (record) => writeFileSync(record, '{"uuid":"a"}')],
    ["but not one whose record is a fifo, which has no end", false, (record) => execFileSync("mkfifo", [record])],
    ["but not one whose record is a folder", false, (record) => mkdirSync(record)],
  ])("%s", (name, abandoned, make) => {
    const record = join(folder, "instance/instance.json");
    if (!name.includes("below a file")) mkdirSync(join(folder, "instance"));
    make(record);
    claims.add(CLAIM, record);
    expect(claims.isAbandoned(CLAIM)).toBe(abandoned);
  });
});

it("takes a file or a folder with the name of a claim for a claim of nobody known", () => {
  writeFileSync(join(folder, "1000000-65536-a"), "");
  mkdirSync(join(folder, "2000000-65536-b"));
  writeFileSync(join(folder, "strange"), "");
  for (const claim of claims.list()) {
    expect(claims.recordOf(claim)).toBeUndefined();
    expect(claims.isAbandoned(claim)).toBe(false);
  }
  expect(claims.list()).toHaveLength(2);
});
