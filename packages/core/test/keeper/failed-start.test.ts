import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findKeeper } from "../../src/keeper/keeper.ts";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { keep, places, shell } from "./support.ts";

const place = places();

describe("a start that fails", () => {
  it("names the cgroup that cannot be made, though the keeper says so before anybody asks", async () => {
    const order = { ...shell("true"), cgroups: ["/proc/nowhere/below"] };
    await expect(keep(place(), order)).rejects.toMatchObject({
      code: "ERR_HOST",
      message: expect.stringMatching(/cgroup.*ENOENT/),
    });
  });

  it("says that the parent of the program was killed before it could start that", async () => {
    const folders = place();
    const [program, announce] = [openSync("/bin/sh", "r"), listenUnix(join(folders.run, "announce"))];
    const starter = { program, announce };
    const launched = await launchKeeper(folders, shell("kill -KILL $$"), { starter });
    await expect(launched.begin()).rejects.toMatchObject({ code: "ERR_CONNECTION", peer: "the parent of /bin/sh" });
    for (const fd of [program, announce]) closeSync(fd);
  });

  it("tells its reason, and ends what it began, when the starter says why and does not end", async () => {
    const folders = place();
    // A message of packages/core/keeper/holder.h: FAILED, the step, the errno.
    const failed = [2, 5, 13, 0, 0, 0, 0, 0].map((word) => `\\${word.toString(8)}\\0\\0\\0`).join("");
    const order = { argv: ["bash", "-c", `printf '${failed}' >&10; exec sleep 1000`], env: {} };
    const program = openSync("/bin/bash", "r");
    const announce = listenUnix(join(folders.run, "announce"));
    try {
      const launched = await launchKeeper(folders, order, { starter: { program, announce } });
      await expect(launched.begin()).rejects.toMatchObject({ code: "ERR_FILE", errno: "EACCES" });
    } finally {
      closeSync(program);
      closeSync(announce);
    }
    await expect
      .poll(() => findKeeper(folders.run).catch(({ code }) => code), { timeout: 20_000 })
      .toBe("ERR_CONNECTION");
  });
});
