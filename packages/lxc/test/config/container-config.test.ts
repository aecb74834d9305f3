import { describe, expect, it } from "vitest";
import { containerConfig } from "../../src/config/container-config.ts";
import { renderConfig } from "../../src/config/render.ts";
import { FULL_SPEC, LEGACY_FACTS, PROGRAM_SPEC, UNIFIED_FACTS } from "../support/spec.ts";

describe("a container's configuration", () => {
  it("is this, for an unprivileged system on a host with cgroups of version 1", async () => {
    const text = renderConfig(containerConfig(FULL_SPEC, LEGACY_FACTS));
    await expect(text).toMatchFileSnapshot("../golden/system-legacy.conf");
  });
  it("is this, for an unprivileged system on a host with cgroups of version 2 and AppArmor", async () => {
    const text = renderConfig(containerConfig(FULL_SPEC, UNIFIED_FACTS));
    await expect(text).toMatchFileSnapshot("../golden/system-unified.conf");
  });
  it("is this, for a privileged program with its output in files", async () => {
    const text = renderConfig(containerConfig(PROGRAM_SPEC, LEGACY_FACTS));
    await expect(text).toMatchFileSnapshot("../golden/program.conf");
  });
  it("gives variables their values, whatever they are called", () => {
    const init = { ...FULL_SPEC.init, env: { constructor: "x" } };
    const text = renderConfig(containerConfig({ ...FULL_SPEC, init }, LEGACY_FACTS));
    expect(text).toContain("lxc.environment = constructor=x\n");
  });
});
