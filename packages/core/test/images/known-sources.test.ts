import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { KnownSources } from "../../src/images/known-sources.ts";

it("forgets a source whose file cannot be read, and remembers it anew", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-known-sources-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const sources = new KnownSources(folder);
  const known = { fingerprint: `sha256:${"a".repeat(64)}` };
  await sources.remember("x", known);
  const [file = ""] = await readdir(folder);
  await writeFile(join(folder, file), "{");
  expect(await sources.find("x", undefined)).toBeUndefined();
  await sources.remember("x", known);
  expect(await sources.find("x", undefined)).toEqual(known);
});

it("knows a source only by the digest that it was checked against", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-known-sources-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const sources = new KnownSources(folder);
  const [checked, other] = ["b", "c"].map((letter) => `sha256:${letter.repeat(64)}`);
  const known = { fingerprint: `sha256:${"a".repeat(64)}`, digest: checked };
  await sources.remember("x", known);
  expect(await sources.find("x", checked)).toEqual(known);
  expect(await sources.find("x", undefined)).toEqual(known);
  expect(await sources.find("x", other)).toBeUndefined();
});
