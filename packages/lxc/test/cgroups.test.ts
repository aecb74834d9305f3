import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CgroupLayout } from "@pileus/core/driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mayStayInside } from "../src/cgroups.ts";

let mount: string;
beforeAll(() => {
  mount = mkdtempSync(join(tmpdir(), "pileus-cgroups-"));
  for (const name of ["young", "grown"]) mkdirSync(join(mount, `pileus-host-${name}`, "init"), { recursive: true });
  writeFileSync(join(mount, "pileus-host-young", "init", "cgroup.subtree_control"), "\n");
  writeFileSync(join(mount, "pileus-host-grown", "init", "cgroup.subtree_control"), "memory pids\n");
});
afterAll(() => rmSync(mount, { recursive: true }));

/** A layout in which every process is in the container's inner cgroup. */
function layoutOf(name: string, kind: CgroupLayout["kind"]): CgroupLayout {
  return Object.create(CgroupLayout.prototype, {
    kind: { value: kind },
    folderOf: { value: () => join(mount, `pileus-host-${name}`, "init") },
  }) as CgroupLayout;
}

describe("the helper of exec", () => {
  it.each([
    ["young", "systemd", "unified", false],
    ["grown", "systemd", "unified", true],
    ["gone", "systemd", "unified", false],
    ["young", "systemd", "hybrid", true],
    ["young", "sysvinit", "unified", true],
  ] as const)("in the container %s with %s on %s cgroups may stay: %s", (name, kind, layout, may) => {
    const spec = { name, hostId: "host", init: { kind, argv: ["/sbin/init"], haltSignal: 1 } } as never;
    expect(mayStayInside(layoutOf(name, layout), spec, () => process.pid)).toBe(may);
  });
});
