import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { identifyChild, type ProcessIdentity } from "@pileus/core/driver";
import { afterEach, expect, it } from "vitest";
import { within } from "../../core/src/testing/kit/expect.ts";
import { kill } from "../src/kill.ts";

// Sleeping programs stand for the monitor and its inits. The test tells what the log would tell.
const children: ChildProcess[] = [];
function program(): { identity: ProcessIdentity; ended: Promise<void>; child: ChildProcess } {
  const child = spawn("sleep", ["2147483647"], { stdio: "ignore" });
  children.push(child);
  const ended = once(child, "exit").then(() => undefined);
  return { identity: identifyChild(child.pid ?? 0), ended, child };
}
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

const NEVER = new AbortController().signal;
const stands = () => () => undefined;
function target(
  monitor: ReturnType<typeof program>,
  find: () => ProcessIdentity | undefined,
  isRebooting: () => boolean,
) {
  return { monitor: { ...monitor, init: { find, isRebooting } }, thaw: stands, release: async () => {} };
}

it("kills the init that a reboot has started after its predecessor had ended before the signal", async () => {
  const [monitor, before, after] = [program(), program(), program()];
  before.child.kill("SIGKILL");
  await before.ended;
  const inits = [before.identity, after.identity];
  const find = () => (inits.length > 0 ? inits.shift() : undefined);
  const killLoop = await kill(target(monitor, find, () => false));
  void killLoop(NEVER);
  await within(5000, "the end of the second init", after.ended);
  expect(after.child.signalCode).toBe("SIGKILL");
});

it("kills a monitor that is about to start another init, even if the signal reached the previous one", async () => {
  const [monitor, init] = [program(), program()];
  let rebooting = false;
  const alive = () => (init.child.signalCode === null ? init.identity : undefined);
  void init.ended.then(() => {
    rebooting = true;
  });
  const killLoop = await kill(target(monitor, alive, () => rebooting));
  await killLoop(NEVER);
  expect(monitor.child.signalCode).toBe("SIGKILL");
});

it("lets a monitor log how its init ended", async () => {
  const [monitor, init] = [program(), program()];
  const alive = () => (init.child.signalCode === null ? init.identity : undefined);
  const killLoop = await kill(target(monitor, alive, () => false));
  await init.ended;
  const gone = killLoop(NEVER);
  monitor.child.kill("SIGTERM");
  await gone;
  expect(monitor.child.signalCode).toBe("SIGTERM");
});

it("continues after a failed look, and stops on abort", async () => {
  const [monitor, init] = [program(), program()];
  const looks = [init.identity, new Error("EMFILE"), init.identity];
  let over = false;
  const controller = new AbortController();
  const find = () => {
    const look = looks.shift();
    if (look instanceof Error) throw look;
    if (look === undefined) controller.abort();
    return look;
  };
  const killLoop = await kill(target(monitor, find, () => false));
  await killLoop(controller.signal).then(() => {
    over = true;
  });
  expect([over, looks, monitor.child.signalCode]).toEqual([true, [], null]);
});

it("kills what a killed monitor leaves behind, which would hide its end", async () => {
  const monitor = program();
  let seen = () => {};
  const ended = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const released: unknown[] = [];
  const release = async () => {
    released.push(monitor.child.signalCode);
    seen();
  };
  const rebooting = target(
    { ...monitor, ended },
    () => undefined,
    () => true,
  );
  const killLoop = await kill({ ...rebooting, release });
  await monitor.ended;
  await killLoop(NEVER);
  expect(released).toEqual(["SIGKILL"]);
});
