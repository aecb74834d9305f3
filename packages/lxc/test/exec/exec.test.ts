import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { UNCONFINED } from "../../src/confinement.ts";
import { execInside } from "../../src/exec/exec.ts";
import { ExecHelpers } from "../../src/exec/helper.ts";
import type { HelperRequest } from "../../src/exec/protocol.ts";

const US = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const REQUEST: HelperRequest = {
  argv: ["true"],
  env: {},
  cwd: "/",
  ...US,
  groups: [],
  tty: undefined,
};
const BOX = { name: "box", idmap: undefined };
const helpers = (argv: readonly string[]) =>
  new ExecHelpers({ name: "box", argv, env: {}, confinement: UNCONFINED, stayTime: () => 0 });

describe("execInside", () => {
  it("rejects when lxc-attach is missing, however long the request takes", async () => {
    const asked = setTimeout(50, REQUEST);
    await expect(execInside(helpers(["/nowhere/lxc-attach"]), BOX, "pipes", asked, {})).rejects.toMatchObject({
      code: "ERR_CONNECTION",
    });
  });
  it("can be aborted while everything inside is frozen", async () => {
    const controller = new AbortController();
    const stuck = helpers(["/bin/sh", "-c", "exec sleep 60"]);
    const started = execInside(stuck, BOX, "pipes", Promise.resolve(REQUEST), { signal: controller.signal });
    setTimeout(50).then(() => controller.abort(new Error("enough")));
    await expect(started).rejects.toThrow("enough");
  });
});
