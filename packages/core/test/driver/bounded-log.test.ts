import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { boundLog, LOG_KEPT } from "@pileus/core/driver";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openPlainLog } from "../../src/keeper/log/open.ts";

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-log-"));
  log = join(folder, "stdout.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

const LINE = `${"x".repeat(62)}\n`;
const lines = (bytes: number) => LINE.repeat(bytes / LINE.length);
const onDisk = () => statSync(log).blocks * 512;

it("frees all but the end of a log that has grown too long, again and again, and its readers get that end", async () => {
  writeFileSync(log, "begin\n");
  const leave = boundLog(log, 10);
  for (const round of ["one", "two"]) {
    appendFileSync(log, `${lines(2 * LOG_KEPT + 2 ** 20)}${round}\n`);
    await expect.poll(onDisk, { timeout: 20_000 }).toBeLessThan(LOG_KEPT + 2 ** 20);
    const kept = await text(await openPlainLog(log, {}));
    expect(kept.length).toBeGreaterThan(LOG_KEPT - LINE.length);
    expect(kept.length).toBeLessThanOrEqual(LOG_KEPT);
    expect(kept.replaceAll(LINE, "")).toBe(`${round}\n`);
  }
  leave();
});

it("leaves a log alone that is not too long, or missing, or when it was told to stop", async () => {
  boundLog(log, 10)();
  const leave = boundLog(log, 10);
  writeFileSync(log, lines(2 * LOG_KEPT));
  const before = onDisk();
  const stop = boundLog(log, 10);
  expect(onDisk()).toBe(before);
  expect((await text(await openPlainLog(log, {}))).length).toBe(statSync(log).size);
  stop();
  leave();
  appendFileSync(log, lines(2 ** 20));
  const other = join(folder, "other.log");
  writeFileSync(other, lines(2 * LOG_KEPT + 2 ** 20));
  // By the time that another log is trimmed, this one would be.
  log = other;
  const end = boundLog(other, 10);
  await expect.poll(onDisk, { timeout: 20_000 }).toBeLessThan(LOG_KEPT + 2 ** 20);
  end();
  log = join(folder, "stdout.log");
  expect(onDisk()).toBeGreaterThan(2 * LOG_KEPT);
});
