import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { monitorArgv } from "../src/commands.ts";
import { findMonitor, monitors } from "../src/monitor.ts";
import { FULL_SPEC } from "./support/spec.ts";

/** A program with any argv, which says a line when it runs. */
const CLAIM = `exec {$ARGV[0]} @ARGV[1 .. $#ARGV]`;

async function runAs(claim: readonly string[], prefix: readonly string[]): Promise<() => Promise<void>> {
  // yes(1) of busybox takes any argument behind its own name, which comes from the file.
  const [file = "", ...args] = [...prefix, "perl", "-e", CLAIM, "/usr/bin/yes", ...claim];
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "readable");
  return async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
}

it(
  "accepts as a starter only a process of our pid namespace and our user, whatever the argv of others",
  requires(["root", "binary:yes", "binary:perl", "binary:unshare"], async () => {
    const spec = { ...FULL_SPEC, name: "claimed" };
    const ends: (() => Promise<void>)[] = [];
    try {
      const claim = monitorArgv(spec);
      ends.push(await runAs(claim, ["unshare", "--pid", "--fork", "--kill-child"]));
      ends.push(await runAs(claim, ["setpriv", "--reuid=65534", "--clear-groups", "--"]));
      expect(await monitors(spec)).toEqual([]);
      ends.push(await runAs(claim, []));
      expect(await monitors(spec)).toHaveLength(1);
    } finally {
      for (const end of ends) await end();
    }
  }),
);

it(
  "finds no run where no keeper and no starter is",
  requires(["root"], async () => {
    const run = await mkdtemp(join(tmpdir(), "pileus-monitor-"));
    try {
      expect(await findMonitor({ ...FULL_SPEC, name: "nobody", run })).toBeUndefined();
    } finally {
      await rm(run, { recursive: true });
    }
  }),
);
