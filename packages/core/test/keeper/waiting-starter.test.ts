import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { readHeldRun } from "../../src/keeper/held-run.ts";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { identifyChild, signalProcess, waitForEnd } from "../../src/system/process-identity.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { places } from "./support.ts";

const place = places();

/** A starter that says that it is up, waits for a word on its channel (packages/core/keeper/holder.h), and looks at its output. */
const SCRIPT = `: >"$0/word"; : >"$0/up"; head -c 4 <&10 11>&- >"$0/word"; stat -L -c '%u:%g %a' /proc/self/fd/19 /proc/self/fd/20 >"$0/seen"; kill -KILL $$`;

/** Its keeper, and itself, after it has come up and before it is told to go on. */
async function waiting() {
  const folders = place();
  const [program, announce] = [openSync("/bin/bash", "r"), listenUnix(join(folders.run, "announce"))];
  const order = { argv: ["bash", "-c", SCRIPT, folders.run], env: { PATH: process.env["PATH"] ?? "" }, input: true };
  const launched = await launchKeeper(folders, order, { starter: { program, announce, waits: true } });
  for (const fd of [program, announce]) closeSync(fd);
  await vi.waitUntil(() => existsSync(join(folders.run, "up")), 20_000);
  const { holder = 0 } = (await readHeldRun(folders.run)) ?? {};
  const read = (name: string) => readFileSync(join(folders.run, name));
  return { launched, keeper: identifyChild(launched.pid), starter: identifyChild(holder), read, folders };
}

it("a starter that waits is up before begin(), which tells it to go on, on streams of the owner who is known by then", async () => {
  const { launched, read, folders } = await waiting();
  expect(read("word")).toHaveLength(0);
  expect(existsSync(join(folders.log, "output.log"))).toBe(false);
  const [uid, gid] = process.getuid?.() === 0 ? [4242, 4343] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  await expect(launched.begin({ owner: { uid, gid } })).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  expect(read("word").readUInt32LE()).toBe(3);
  expect(read("seen").toString()).toBe(`${uid}:${gid} 644\n${uid}:${gid} 622\n`);
  expect(readFileSync(join(folders.log, "output.log"), "utf8")).toMatch(/keeper F start\n.*keeper F end\n/);
});

it.for(["keeper", "starter"] as const)(
  "nothing is left when the %s of a start that has not begun is killed",
  async (victim) => {
    const { launched, keeper, starter, read } = await waiting();
    await signalProcess({ keeper, starter }[victim], "SIGKILL");
    for (const each of [keeper, starter]) await waitForEnd(each, { timeout: 20_000 });
    await expect(launched.begin()).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    expect(read("word")).toHaveLength(0);
  },
);

it("nothing is left of a start that is given up before it has begun", async () => {
  const { launched, keeper, starter, read } = await waiting();
  launched[Symbol.dispose]();
  for (const each of [keeper, starter]) await waitForEnd(each, { timeout: 20_000 });
  expect(read("word")).toHaveLength(0);
});
