import { CommandError, FileError, HostError, NotFoundError } from "@pileus/core";
import { STEP } from "@pileus/core/driver";
import { describe, expect, it } from "vitest";
import { firstError, startFailure } from "../src/start-failure.ts";
import { PROGRAM_SPEC } from "./support/spec.ts";

const told = (step: number, errno: number, text = "") => startFailure(PROGRAM_SPEC, { step, errno, text });
const init = (step: number, errno: number) => told(STEP.init | (step << 8), errno);

const TEXT = `start: ../src/lxc/rootfs.c: mount_rootfs: 12 No such file or directory - Failed to mount rootfs
start: cache: ../src/lxc/start.c: lxc_spawn: 1719 Failed to start
`;

describe("a container that did not start", () => {
  it("has a missing program, or one that cannot be run, or a folder that cannot be entered", () => {
    expect(init(2, 2)).toBeInstanceOf(NotFoundError);
    expect(init(2, 13)).toMatchObject({ code: "ERR_FILE", errno: "EACCES", path: "redis-server" });
    expect(init(1, 1)).toMatchObject({ errno: "EPERM", path: "redis-server" });
    expect(init(2, 1).message).toContain("seccomp profile may refuse");
    expect(init(3, 1).message).not.toContain("profile");
    expect(init(5, 2).message).toContain("cannot open the console of redis-server");
    expect(init(6, 5).message).toContain("cannot read the orders of redis-server");
    expect(init(4, 20)).toMatchObject({ errno: "ENOTDIR", path: "/data" });
  });

  it("has a PID 1 that was killed before its program, and says by which signal", () => {
    expect(told(STEP.setUp, 9, TEXT)).toMatchObject({
      code: "ERR_CONNECTION",
      message: expect.stringMatching(
        /^connection to PID 1 of container "[^"]+": SIGKILL killed it while it was set up: /,
      ),
    });
    expect(told(STEP.setUp, 0xffff_ffff)).toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("has an error of this library for any numbers", () => {
    expect(init(0xff_ffff, 0xffff_ffff)).toBeInstanceOf(FileError);
    expect(told(0xff, 1)).toMatchObject({ code: "EPERM" });
  });

  it("has liblxc's first error as the message", () => {
    const error = told(STEP.start, 0, TEXT);
    expect(error).toBeInstanceOf(CommandError);
    expect(error.message).toMatch(/Failed to mount rootfs$/);
    expect(firstError("anything\n")).toBeUndefined();
  });

  it("names the limit of open files where the hard one is too low for liblxc", () => {
    const error = told(STEP.start, 0, TEXT.replace("No such file or directory", "Too many open files"));
    expect(error).toBeInstanceOf(HostError);
    expect(error.message).toMatch(/RLIMIT_NOFILE: ulimit -Hn/);
    expect(error).toMatchObject({
      missing: [{ need: "descriptors", reason: "Too many open files - Failed to mount rootfs" }],
      cause: { code: "ERR_COMMAND" },
    });
  });

  it("says that its starter was killed, which has printed nothing", () => {
    expect(told(STEP.start, 0)).toMatchObject({
      code: "ERR_CONNECTION",
      message: expect.stringContaining("killed before"),
    });
  });

  it("has no user namespace, because the kernel made none or took no such map", () => {
    // ENOSPC: user.max_user_namespaces.
    const refused = told(STEP.namespace, 28);
    expect(refused).toBeInstanceOf(HostError);
    expect(refused.message).toMatch(/user namespace.*ENOSPC.*user\.max_user_namespaces/);
    expect(told(STEP.namespace, 12)).toMatchObject({ missing: [{ need: "memory" }] });
    expect(told(STEP.idmap, 22).message).toMatch(/map ids.*EINVAL/);
  });

  it("names the cgroup that cannot be made", () => {
    expect(told(STEP.cgroup, 30)).toBeInstanceOf(HostError);
    expect(told(STEP.cgroup, 30)).toMatchObject({
      missing: [{ need: "cgroup", reason: expect.stringContaining("EROFS") }],
    });
  });
});
