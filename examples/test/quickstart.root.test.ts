import { spawn as start } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { cacheFolder, checkout } from "../../scripts/setup/folders.mjs";

/** Long enough for a Debian to be bootstrapped. */
const TIMEOUT = 300_000;

it(
  "removes what it made when it is interrupted, and ends with 130",
  requires(["root", "binary:lxc-start", "binary:mmdebstrap", "binary:dnsmasq", "binary:nft"], async () => {
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
