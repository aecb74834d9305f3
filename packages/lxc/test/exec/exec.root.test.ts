import { LAUNCH_HELPER } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { UNCONFINED } from "../../src/confinement.ts";
import { execInside } from "../../src/exec/exec.ts";
import { ExecHelpers } from "../../src/exec/helper.ts";
import type { HelperRequest } from "../../src/exec/protocol.ts";
import { EXEC_HELPER } from "../../src/helpers.ts";
import { leaveDescriptors } from "../support/descriptors.ts";

const REQUEST: HelperRequest = {
  argv: ["true"],
  env: {},
  cwd: "/",
  uid: 0,
  gid: 0,
  groups: [],
  tty: undefined,
};

it(
  "reports that descriptors ran out after the pipes were opened",
  requires(["root", "binary:prlimit"], async () => {
    for (const helper of [EXEC_HELPER, LAUNCH_HELPER]) helper.descriptor();
    const box = { name: "box", idmap: undefined };
    const target = { name: "box", argv: ["true"], env: {}, confinement: UNCONFINED, stayTime: () => 0 };
    // Room for three pipes.
    const restore = leaveDescriptors(6);
    try {
      await expect(
        execInside(new ExecHelpers(target), box, "pipes", Promise.resolve(REQUEST), {}),
      ).rejects.toMatchObject({
        code: "EMFILE",
      });
    } finally {
      restore();
    }
  }),
);
