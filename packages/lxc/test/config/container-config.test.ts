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
  it("gives variables their values, with any name", () => {
    const init = { ...FULL_SPEC.init, env: { constructor: "x" } };
    const text = renderConfig(containerConfig({ ...FULL_SPEC, init }, LEGACY_FACTS));
    expect(text).toContain("lxc.environment = constructor=x\n");
  });

  it("has no entry that the container does not ask for", () => {
    const { init, sysctls: _sysctls, tmpfs: _tmpfs, confinement: _confinement, ...rest } = PROGRAM_SPEC;
    const spec = { ...rest, idmap: FULL_SPEC.idmap, init: { argv: init.argv, haltSignal: 9 } };
    const keys = containerConfig(spec, UNIFIED_FACTS).map(([key]) => key);
    for (const key of ["environment", "sysctl", "no_new_privs", "cap.drop", "seccomp.profile"])
      expect(keys.filter((found) => found.startsWith(`lxc.${key}`))).toEqual([]);
    expect(containerConfig(spec, UNIFIED_FACTS)).toContainEqual(["lxc.init.cwd", "/"]);
  });
  it("has a limit of processes also if it asks for none", () => {
    expect(containerConfig({ ...FULL_SPEC, limits: {} }, UNIFIED_FACTS)).toContainEqual(["lxc.cgroup2.pids.max", 4915]);
  });
  it("mounts folders in memory below the root, with any blanks in their path", () => {
    const tmpfs = [{ path: "//a\tb\\c" }];
    const mounts = containerConfig({ ...FULL_SPEC, tmpfs }, LEGACY_FACTS).filter(([key]) => key === "lxc.mount.entry");
    expect(mounts[0]?.[1]).toMatch(/^tmpfs a\\011b\\134c tmpfs .*mode=755/);
  });
});
