/**
 * `in-time-namespace.ts AHEAD FOLDER PID …`: unshares its time namespace, so that the clock of its children is ahead by
 * so many nanoseconds, and does the following, as its child does then.
 * `in-time-namespace.ts "" FOLDER PID …`: prints the identities of these processes as a line of JSON, and leaves a
 * keeper in the folder.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { identifyProcess } from "../../src/system/process-identity.ts";
import { shell } from "../keeper/support-order.ts";

const [ahead = "", folder = "", ...pids] = process.argv.slice(2);
if (ahead !== "") {
  const second = 1_000_000_000n;
  const nanoseconds = ((BigInt(ahead) % second) + second) % second;
  // linux/sched.h: CLONE_NEWTIME.
  if (koffi.load("libc.so.6").func("int unshare(int)")(0x80) !== 0) throw new Error("cannot unshare the clock");
  const seconds = (BigInt(ahead) - nanoseconds) / second;
  writeFileSync("/proc/self/timens_offsets", `boottime ${seconds} ${nanoseconds}`);
}
process.stdout.write(`${JSON.stringify(await Promise.all(pids.map((pid) => identifyProcess(Number(pid)))))}\n`);
const folders = { run: join(folder, `run${ahead && "-before"}`), log: join(folder, `log${ahead && "-before"}`) };
for (const path of Object.values(folders)) mkdirSync(path);
await (await launchKeeper(folders, shell("exec sleep 1000"))).begin();
if (ahead !== "")
  spawnSync(process.execPath, [...process.execArgv, process.argv[1] ?? "", "", folder, ...pids], { stdio: "inherit" });
process.exit();
