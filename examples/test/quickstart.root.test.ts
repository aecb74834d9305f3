import { spawn as start } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { lacking, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { cacheFolder, checkout } from "../../scripts/setup/folders.mjs";
import { debianTar } from "../../test-support/debian.ts";

/** Long enough for what the quickstart downloads and builds. */
const TIMEOUT = 300_000;
const NEEDS = ["root", "binary:lxc-start", "binary:mmdebstrap", "binary:dnsmasq", "binary:nft"] as const;

// Bootstrapped once for a machine: no test pays for it.
beforeAll(async () => {
  if (NEEDS.every((need) => lacking(need) === undefined)) await debianTar();
}, 600_000);

it(
  "removes what it made when it is interrupted, and ends with 130",
  requires(NEEDS, async () => {
    const argv = ["--import", "tsx", "--conditions=@pileus/source", "examples/quickstart/main.ts"];
    const child = start(process.execPath, argv, {
      cwd: checkout,
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk;
      // To the whole group, as a terminal does: the tools that it runs get it too.
      if (`${chunk}`.includes("system: start") && child.pid !== undefined) process.kill(-child.pid, "SIGINT");
    });
    expect(await once(child, "close")).toEqual([130, null]);
    expect(output).toContain("interrupted");
    const host = join(cacheFolder(), "quickstart/host");
    expect(await readdir(join(host, "instances"))).toEqual([]);
    expect(existsSync(join(host, "networks/quickstart0"))).toBe(false);
    expect(existsSync("/sys/class/net/quickstart0")).toBe(false);
  }),
  TIMEOUT,
);
