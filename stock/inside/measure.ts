/**
 * Prints how many times longer this machine takes for a fixed piece of work than the machine that the time limits are
 * for: programs are started, JavaScript computes, files are written.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds on two cores of a server, not emulated, with nothing else to do. */
const REFERENCE = 40;

const folder = mkdtempSync(join(tmpdir(), "pileus-measure-"));
const start = performance.now();
for (let count = 0; count < 10; count += 1) spawnSync("/bin/true");
const hash = createHash("sha256");
for (let count = 0; count < 400; count += 1) hash.update(JSON.stringify(Array.from({ length: 200 }, Math.sqrt)));
for (let count = 0; count < 40; count += 1) writeFileSync(join(folder, String(count)), hash.copy().digest("hex"));
const took = performance.now() - start;
rmSync(folder, { recursive: true });
console.log(took / REFERENCE);
