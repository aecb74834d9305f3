import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { journalFolder } from "./support.ts";

let place: ReturnType<typeof journalFolder>;
beforeEach(() => {
  place = journalFolder();
});
afterEach(() => place.dispose());

it("goes on as far as it can without a free descriptor, and as before once there is one", () => {
  const program = fileURLToPath(new URL("few-descriptors.ts", import.meta.url));
  const output = execFileSync(process.execPath, ["--import", "tsx", program, place.folder]).toString();
  const { without, issues, after, names, end } = JSON.parse(output);
  // It has its file; the next one cannot be opened.
  expect(without[0]).toBe(true);
  expect(without.at(-1)).toBe(false);
  expect(issues).toEqual([expect.any(Number), 1]);
  expect(issues[0]).toBeGreaterThan(0);
  expect(after).toEqual([true, true]);
  expect(names.slice(-2)).toEqual(["after", "late"]);
  expect(end).toEqual([[], []]);
});
