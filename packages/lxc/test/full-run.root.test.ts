import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { subject } from "./support/lxc-subject.ts";

const CHILD = fileURLToPath(new URL("support/full-run-child.ts", import.meta.url));
const NODE = [process.execPath, "--import", "tsx", "--conditions=@pileus/source"];

describe("while /run is full", () => {
  it.for(["tmpfs without a block", "tmpfs without an inode"])(
    "stops, kills and deletes, and a start leaves nothing: %s",
    { timeout: 120_000 },
    (disk, context) =>
      requires(["root", ...(subject.needs ?? [])], async () => {
        // The containers of everybody else have their files in the real one.
        const inOwnMounts = ["--mount", "--propagation", "private"];
        const child = spawnSync("unshare", [...inOwnMounts, ...NODE, CHILD, disk], {
          encoding: "utf8",
          // The limit of the test waits for this call.
          timeout: 110_000,
          killSignal: "SIGKILL",
        });
        expect(child.status, child.stderr).toBe(0);
      })(context),
  );
});
