import { once } from "node:events";
import { expect, it } from "vitest";
import { ProgramGroup } from "../../src/driver/program-group.ts";
import { readProcess } from "../../src/processes/process-ids.ts";
import { printedPid, shell, untilGone } from "./program.ts";

it("signals every member of the group", async () => {
  const child = shell("sleep 60 & echo $!; wait");
  const group = new ProgramGroup(child.pid ?? 0);
  const member = await printedPid(child.stdout);
  await group.kill("SIGTERM");
  await untilGone(member);
});

it("signals a program that leads no group yet, as right after a fork", async () => {
  const child = shell("echo $$; exec sleep 60", { detached: false });
  const group = new ProgramGroup(child.pid ?? 0);
  await group.kill("SIGHUP");
  expect(await once(child, "exit")).toEqual([null, "SIGHUP"]);
});

it("kills a program that leads no group yet, and nothing else in the session of this process", async () => {
  const bystander = shell("echo $$; exec sleep 60", { detached: false });
  const pid = await printedPid(bystander.stdout);
  const child = shell("exec sleep 60", { detached: false });
  await new ProgramGroup(child.pid ?? 0).kill("SIGKILL");
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  expect(readProcess(pid)).toBeDefined();
});

it("kills what the program started in a session of its own", async () => {
  const child = shell("setsid sh -c 'echo $$; exec sleep 60' & wait");
  const group = new ProgramGroup(child.pid ?? 0);
  const other = await printedPid(child.stdout);
  await group.kill("SIGKILL");
  await untilGone(other);
});

it("signals those that the program left in its group, also when each has started another and ended", async () => {
  const child = shell("sh -c 'trap \"sleep 60 & echo \\$!; exit\" USR1; echo $$; sleep 60; :' &");
  const group = new ProgramGroup(child.pid ?? 0);
  const [first] = await Promise.all([printedPid(child.stdout), once(child, "exit")]);
  group.markEnded();
  await group.kill("SIGUSR1");
  const second = await printedPid(child.stdout);
  await untilGone(first);
  await group.kill("SIGTERM");
  await untilGone(second);
});

it("does nothing when the group is empty, or when its number has become another's", async () => {
  const child = shell("exit 3");
  const group = new ProgramGroup(child.pid ?? 0);
  await once(child, "exit");
  group.markEnded();
  await group.kill("SIGTERM");
  // The end of a program that still runs, as if a stranger had got its id.
  const stranger = shell("echo $$; exec sleep 60");
  const pid = await printedPid(stranger.stdout);
  const other = new ProgramGroup(pid);
  other.markEnded();
  await other.kill("SIGKILL");
  expect(readProcess(pid)).toBeDefined();
});
