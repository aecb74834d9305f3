import { TOOL_ENV } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { keeperOrder } from "../src/keeper-order.ts";

it("has a keeper start QEMU with the environment of tools, and with nothing of ours", () => {
  const accounts = { oomKills: ["/sys/fs/cgroup/one/memory.events"] };
  expect(keeperOrder(["qemu", "-S"], { log: { maxSize: 65_536, maxFiles: 2 } }, accounts)).toEqual({
    ...{ argv: ["qemu", "-S"], env: TOOL_ENV, input: true, console: true, accounts },
    log: { size: 65_536, files: 2 },
  });
  expect(Object.keys(TOOL_ENV).sort()).toEqual(["LANG", "LC_ALL", "PATH"]);
});
