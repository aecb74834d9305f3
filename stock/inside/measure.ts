/**
 * Prints how many times longer this machine takes for a fixed piece of work than the machine that the time limits are
 * for: programs are started, JavaScript computes, files are written. The work is done in a cgroup of its own, as an
 * instance does its own: the kernel shares the processors out between cgroups first.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inOwnCgroup, removeOwnCgroup } from "@pileus/core/driver";

/** Milliseconds on two cores of a server, not emulated, with nothing else to do. */
const REFERENCE = 40;
/** Milliseconds. The work is repeated until then: a busy machine is not equally busy all the time. */
const LONG_ENOUGH = 500;

function work(): void {
  const folder = mkdtempSync(join(tmpdir(), "pileus-measure-"));
  for (let count = 0; count < 10; count += 1) spawnSync("/bin/true");
  const hash = createHash("sha256");
  for (let count = 0; count < 400; count += 1) hash.update(JSON.stringify(Array.from({ length: 200 }, Math.sqrt)));
  for (let count = 0; count < 40; count += 1) writeFileSync(join(folder, String(count)), hash.copy().digest("hex"));
  rmSync(folder, { recursive: true });
}

if (process.argv[2] === "work") {
  const start = performance.now();
  const took = () => performance.now() - start;
  let times = 0;
  do {
    work();
    times += 1;
  } while (took() < LONG_ENOUGH);
  console.log(took() / times / REFERENCE);
} else {
  const cgroup = `pileus-measure-${randomBytes(4).toString("hex")}`;
  const [file = "", ...argv] = inOwnCgroup(cgroup, [process.execPath, fileURLToPath(import.meta.url), "work"]);
  const { status } = spawnSync(file, argv, { stdio: "inherit" });
  await removeOwnCgroup(cgroup);
  process.exitCode = status ?? 1;
}
