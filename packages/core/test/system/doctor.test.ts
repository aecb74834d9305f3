import { describe, expect, it } from "vitest";
import { renderReport } from "../../src/engine/opening/doctor.ts";

describe("the printed report", () => {
  it("has one line for each fact, and for each missing thing its reason and its fix", () => {
    const ok = { usable: true, missing: [], facts: [{ name: "node", value: "v20" }] };
    const lacking = {
      usable: false,
      missing: [{ need: "binary:lxc-start", reason: "not on PATH", fix: "apt-get install lxc" }],
      facts: [],
    };
    expect(renderReport({ host: ok, networks: ok, drivers: { lxc: lacking } })).toBe(`host: ok
  node: v20
networks: ok
  node: v20
lxc: cannot be used
  missing binary:lxc-start: not on PATH
    fix: apt-get install lxc`);
  });
});
