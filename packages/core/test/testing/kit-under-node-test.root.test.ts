import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const main = fileURLToPath(new URL("./node-test-main.ts", import.meta.url));
const tsx = import.meta.resolve?.("tsx") ?? "tsx";

it("the kit runs under node:test as it does under vitest", { timeout: 180_000 }, async () => {
  const argv = ["--import", tsx, "--conditions=@pileus/source", "--test-reporter=tap", main];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { maxBuffer: 16 * 2 ** 20 });
  const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(stdout)?.[1]);
  expect(count("fail")).toBe(0);
  expect(count("cancelled")).toBe(0);
  expect(count("skipped")).toBe(0);
  expect(count("pass")).toBeGreaterThan(150);
});
