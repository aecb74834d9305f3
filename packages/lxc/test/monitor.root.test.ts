import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { monitorArgv } from "../src/commands.ts";
import { monitorPids } from "../src/monitor.ts";
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
  "takes for a monitor who is in our pid namespace and our user, whatever others call themselves",
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
      expect(await monitorPids(spec)).toEqual([]);
      ends.push(await runAs(claim, []));
      expect(await monitorPids(spec)).toHaveLength(1);
    } finally {
      for (const end of ends) await end();
      await rm(folder, { recursive: true });
    }
  }),
);
