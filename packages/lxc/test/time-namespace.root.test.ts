import { type ChildProcess, spawn as start } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { livingKeeper } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

/** util-linux since 2.36, and a kernel with time namespaces. */
const CLOCKS = [...NEEDS, "binary:unshare", "file:/proc/self/timens_offsets"] as const;

/** Runs support/in-time-namespace.ts in a process whose clock of start times is ahead of the host's by a day. */
function ahead(...args: readonly string[]): ChildProcess {
  const script = fileURLToPath(new URL("support/in-time-namespace.ts", import.meta.url));
  const node = [process.execPath, "--import", "tsx", "--conditions=@pileus/source", script, ...args];
  return start("unshare", ["--time", "--boottime", "86400", "--fork", "--kill-child", ...node], {
    cwd: import.meta.dirname,
    stdio: ["pipe", "pipe", "inherit"],
  });
}

describe("a process in a time namespace, which sees other start times", () => {
  it(
    "finds what other processes started, and sweeps nothing that they hold",
    requires(CLOCKS, async () => {
      const { root, host, image } = fixture;
      await using box = await host.ephemeral({ driver: "lxc", name: "held", image });
      const child = ahead("find", root, "held");
      const said = child.stdout ? await text(child.stdout) : "";
      const { pid } = await box.inspect();
      expect(JSON.parse(said)).toEqual({ swept: [], state: "running", pid, stdout: "inside\n" });
    }),
  );

  it(
    "starts and holds what other processes find, and do not sweep while it lives",
    requires(CLOCKS, async () => {
      const { root, host, image } = fixture;
      const child = ahead("start", root, "ahead", image.fingerprint);
      const exited = once(child, "exit");
      try {
        await once(child.stdout ?? child, "data");
        expect(await host.sweep()).toEqual([]);
        const box = await host.get("ahead");
        expect(await livingKeeper(join(root, "instances", (await box.inspect()).uuid, "run"))).toBeDefined();
        expect([await box.state(), (await box.run(["echo", "inside"])).stdout]).toEqual(["running", "inside\n"]);
      } finally {
        child.stdin?.end();
        await exited;
      }
      expect(await host.sweep()).toEqual(["ahead"]);
    }),
  );
});
