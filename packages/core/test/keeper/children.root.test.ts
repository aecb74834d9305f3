import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { identifyProcess, isAlive } from "../../src/system/process-identity.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { requires } from "../../src/testing/requires.ts";
import { places } from "./support.ts";

const place = places();

it(
  "a start that fails leaves nothing on a kernel that lists no children of a process (CONFIG_PROC_CHILDREN)",
  requires(["root"], async () => {
    const folders = place();
    // A message of packages/core/keeper/holder.h: FAILED, the step, the errno.
    const failed = [2, 5, 13, 0, 0, 0, 0, 0].map((word) => `\\${word.toString(8)}\\0\\0\\0`).join("");
    const script = `sleep 1000 & echo $! >"$0"; printf '${failed}' >&10; exec sleep 1000`;
    const left = join(folders.log, "left");
    const [program, announce] = [openSync("/bin/bash", "r"), listenUnix(join(folders.run, "announce"))];
    const order = { argv: ["bash", "-c", script, left], env: { PATH: process.env["PATH"] ?? "" } };
    const launched = await launchKeeper(folders, order, { starter: { program, announce } });
    for (const fd of [program, announce]) closeSync(fd);
    // A file that cannot be opened stands for one that is not there. The mount ends with the process.
    const list = `/proc/${launched.pid}/task/${launched.pid}/children`;
    expect(spawnSync("mount", ["--bind", join(folders.run, "announce"), list]).status).toBe(0);
    expect(() => readFileSync(list)).toThrow("ENXIO");
    await expect(launched.begin()).rejects.toMatchObject({ code: "ERR_FILE", errno: "EACCES" });
    const orphan = await identifyProcess(Number(readFileSync(left, "utf8")));
    expect(orphan !== undefined && (await isAlive(orphan))).toBe(false);
  }),
);
