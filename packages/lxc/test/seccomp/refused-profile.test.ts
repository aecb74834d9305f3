import { describe, expect, it } from "vitest";
import { SYSTEM_DEFAULTS } from "../../src/confinement-section.ts";
import type { SeccompProfile, SeccompRule } from "../../src/seccomp/profile.ts";
import { refusedProfile } from "../../src/seccomp/refused-profile.ts";

const DENY: SeccompProfile = { defaultAction: "SCMP_ACT_ERRNO" };
const START = ["capget", "capset", "setgroups", "setgid", "setuid", "execve"];
const allow = (...names: string[]): SeccompRule => ({ names, action: "SCMP_ACT_ALLOW" });
const issue = (seccomp: SeccompProfile | "default" | "unconfined", role?: "program" | "reaper") =>
  refusedProfile("lxc", { seccomp }, SYSTEM_DEFAULTS, role)[0];

describe("a profile under which no program can start", () => {
  it("is refused with all system calls that it lacks", () => {
    expect(issue(DENY)?.path).toEqual(["lxc", "seccomp"]);
    expect(issue(DENY)?.message).toContain(`refuses ${START.join(", ")}, so no program can start`);
    expect(issue({ ...DENY, syscalls: [allow(...START.slice(0, 5))] })?.message).toContain("refuses execve,");
    expect(issue({ defaultAction: "SCMP_ACT_KILL", syscalls: [allow(...START.slice(1))] })?.message).toContain(
      "capget,",
    );
  });
  it("may deny a call by a rule of its own", () => {
    const deny = (action: SeccompRule["action"]) =>
      issue({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["execve"], action }] });
    expect(deny("SCMP_ACT_ERRNO")?.message).toContain("refuses execve,");
    expect(deny("SCMP_ACT_TRAP")?.message).toContain("refuses execve,");
    expect(deny("SCMP_ACT_LOG")).toBeUndefined();
  });
  it("lacks more for the init of ours", () => {
    const enough = { ...DENY, syscalls: [allow(...START)] };
    expect(issue(enough)).toBeUndefined();
    expect(issue(enough, "reaper")?.message).toContain("refuses clone, signalfd4, read, wait4, exit_group,");
  });
  it("is not judged by rules with conditions, nor are the lists of this library", () => {
    const args = [{ index: 0, value: 0, op: "SCMP_CMP_NE" as const }];
    const syscalls = [{ names: ["execve"], action: "SCMP_ACT_ERRNO" as const, args }];
    expect(issue({ defaultAction: "SCMP_ACT_ALLOW", syscalls })).toBeUndefined();
    expect(issue("default")).toBeUndefined();
    expect(issue("unconfined")).toBeUndefined();
  });
});
