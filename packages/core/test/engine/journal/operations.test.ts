import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { journalFolder, UUID } from "./support.ts";

let place: ReturnType<typeof journalFolder>;
beforeEach(() => {
  place = journalFolder();
});
afterEach(() => place.dispose());

it.each([
  ["before the begin", { open: 0, effect: false }],
  ["after the begin", { open: 1, effect: false }],
  ["after the effect", { open: 1, effect: true }],
  ["after the end", { open: 0, effect: true }],
])("a process killed %s of an operation leaves what the next one needs to undo it", (step, left) => {
  const effect = join(place.root, "effect");
  const script = fileURLToPath(new URL("operation-child.ts", import.meta.url));
  const child = spawnSync(process.execPath, ["--import", "tsx", script, place.folder, effect, step]);
  expect([child.signal, child.stderr.toString()]).toEqual(["SIGKILL", ""]);
  const { journal } = place.open();
  const open = journal.openOperations(UUID);
  expect({ open: open.length, effect: existsSync(effect) }).toEqual(left);
  for (const operation of open) {
    expect(operation).toMatchObject({ kind: "attach", data: { effect } });
    rmSync(effect, { force: true });
    journal.publish([], [operation]);
  }
  expect(place.open().journal.openOperations()).toEqual([]);
});
