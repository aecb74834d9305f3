import { describe, expect, it } from "vitest";
import { parseCgroupLayout } from "../../src/system/cgroup.ts";

const V1 = (name: string, options = name) =>
  `32 31 0:29 / /sys/fs/cgroup/${name} rw,relatime - cgroup cgroup rw,${options}`;
const V2 = (path: string) => `41 31 0:38 / ${path} rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate`;

describe("the layout of cgroups", () => {
  it("is read per controller on a host that has both versions", () => {
    const lines = [
      V1("cpu", "cpu,cpuacct"),
      V1("memory"),
      V1("systemd", "xattr,name=systemd"),
      V2("/sys/fs/cgroup/unified"),
    ];
    const layout = parseCgroupLayout(lines.join("\n"), () => "hugetlb pids\n");
    expect(layout.kind).toBe("hybrid");
    expect(layout.controller("cpuacct")).toMatchObject({ version: 1, path: "/sys/fs/cgroup/cpu" });
    expect(layout.controller("pids")).toMatchObject({ version: 2, path: "/sys/fs/cgroup/unified" });
    expect(layout.controller("devices")).toBeUndefined();
    expect(layout.hierarchies.map(({ path }) => path)).toEqual([
      "/sys/fs/cgroup/cpu",
      "/sys/fs/cgroup/memory",
      "/sys/fs/cgroup/systemd",
      "/sys/fs/cgroup/unified",
    ]);
  });
  it("is unified when version 2 has all controllers, with a freezer and cpu statistics in every cgroup", () => {
    const layout = parseCgroupLayout(V2("/sys/fs/cgroup"), () => "cpuset cpu io memory pids\n");
    expect(layout.kind).toBe("unified");
    for (const name of ["cpu", "memory", "freezer", "cpuacct"]) expect(layout.controller(name)?.version).toBe(2);
  });
  it("finds the folder of a process for a controller, below the root of the mount", () => {
    const inner = "32 31 0:29 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
    const layout = parseCgroupLayout([inner, V2("/sys/fs/cgroup/unified")].join("\n"), () => "pids");
    const text = "4:memory:/docker/abc/box/init\n1:name=systemd:/x\n0::/box:colon/init\n";
    expect(layout.folderOf(text, "memory")).toBe("/sys/fs/cgroup/memory/box/init");
    expect(layout.folderOf(text, "pids")).toBe("/sys/fs/cgroup/unified/box:colon/init");
    expect(layout.folderOf(text, "cpu")).toBeUndefined();
  });
});
