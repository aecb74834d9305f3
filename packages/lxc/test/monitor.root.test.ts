import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { commandSocketName } from "../src/command-socket.ts";
import { monitorArgv } from "../src/commands.ts";
import { findMonitor, monitors } from "../src/monitor.ts";
import { containerPaths } from "../src/paths.ts";
import { leaveDescriptors, openDescriptors } from "./support/descriptors.ts";
import { FULL_SPEC } from "./support/spec.ts";

// yes(1) of busybox takes any argument, and says a line when it runs.
async function runAs(claim: readonly string[], prefix: readonly string[]): Promise<() => Promise<void>> {
  const [file = "", ...args] = [...prefix, ...claim];
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "readable");
  return async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
}

it(
  "accepts as a monitor only a process of our pid namespace and our user, whatever the argv of others",
  requires(["root", "binary:busybox", "binary:unshare"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-monitor-"));
    const tool = join(folder, "yes");
    await symlink("/bin/busybox", tool);
    const spec = { ...FULL_SPEC, name: "claimed" };
    const ends: (() => Promise<void>)[] = [];
    try {
      const claim = monitorArgv(tool, spec);
      ends.push(await runAs(claim, ["unshare", "--pid", "--fork", "--kill-child"]));
      ends.push(await runAs(claim, ["setpriv", "--reuid=65534", "--clear-groups", "--"]));
      expect(await monitors(spec)).toEqual([]);
      ends.push(await runAs(claim, []));
      expect(await monitors(spec)).toHaveLength(1);
    } finally {
      for (const end of ends) await end();
      await rm(folder, { recursive: true });
    }
  }),
);

// An abstract socket by its exact name (unix(7)): node:net of Node 20 pads it.
const LISTEN = `
  socket(S, 1, 1, 0) && bind(S, pack("S x a*", 1, $ARGV[0])) && listen(S, 8) or die $!;
  $| = 1; print "listening"; sleep;`;

it(
  "stops waiting for the end of a monitor that was detached during a reboot, and never reports it",
  requires(["root", "binary:busybox", "binary:perl"], async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-monitor-"));
    const tool = join(folder, "yes");
    await symlink("/bin/busybox", tool);
    const spec = { ...FULL_SPEC, name: "rebooting", run: folder };
    const { log, lxcpath } = containerPaths(spec);
    const said = (from: string, message: string) =>
      `lxc-start rebooting 20260101000000.000 NOTICE   ${from} - ../src/lxc/${from}.c:function:1 - ${message}\n`;
    await writeFile(
      log,
      said("start", 'Started "/sbin/init" with pid "7"') + said("error", "Child <7> ended on signal Hangup(1)"),
    );
    const endSocket = await runAs([commandSocketName(lxcpath, spec.name)], ["perl", "-e", LISTEN]);
    const endMonitor = await runAs(monitorArgv(tool, spec), []);
    const watches = () => process.getActiveResourcesInfo().filter((resource) => resource === "FSEventWrap").length;
    const before = watches();
    try {
      const monitor = await findMonitor(spec);
      expect(monitor).toBeDefined();
      let told = false;
      void monitor?.ended.then(() => {
        told = true;
      });
      await endSocket();
      await vi.waitFor(() => expect(watches()).toBe(before + 1), 5000);
      monitor?.detach();
      await vi.waitFor(() => expect(watches()).toBe(before), 5000);
      await new Promise((resolve) => setImmediate(resolve));
      expect(told).toBe(false);
    } finally {
      await endMonitor();
      await rm(folder, { recursive: true });
    }
  }),
);

it(
  "keeps no connection to a monitor when descriptors run out",
  requires(["root", "binary:perl", "binary:prlimit"], async () => {
    const spec = { ...FULL_SPEC, name: "short" };
    const endSocket = await runAs([commandSocketName(containerPaths(spec).lxcpath, spec.name)], ["perl", "-e", LISTEN]);
    // Room for the connection.
    const restore = leaveDescriptors(1);
    try {
      const held = openDescriptors();
      await expect(findMonitor(spec)).rejects.toMatchObject({ code: "EMFILE" });
      await vi.waitFor(() => expect(openDescriptors()).toBe(held), 5000);
    } finally {
      restore();
      await endSocket();
    }
  }),
);
