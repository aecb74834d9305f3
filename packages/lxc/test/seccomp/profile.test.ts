import { describe, expect, it } from "vitest";
import { APPLICATION_CAPABILITIES } from "../../src/capabilities.ts";
import { ALLOW, errno, KILL_PROCESS, KILL_THREAD, LOG, TRAP } from "../../src/seccomp/policy.ts";
import {
  type ProfileFacts,
  profilePolicy,
  type SeccompProfile,
  SeccompProfileSchema,
} from "../../src/seccomp/profile.ts";

const FACTS: ProfileFacts = {
  architecture: "x64",
  capabilities: new Set(APPLICATION_CAPABILITIES),
  release: "6.1.0-18-amd64",
};
const policy = (syscalls: SeccompProfile["syscalls"], more: Partial<SeccompProfile> = {}, facts = FACTS) =>
  profilePolicy(SeccompProfileSchema.parse({ defaultAction: "SCMP_ACT_ERRNO", syscalls, ...more }), facts);
const ALLOWED = "SCMP_ACT_ALLOW";

describe("a profile in Docker's format", () => {
  it("has a default for known calls, and ENOSYS for unknown ones if that is an error", () => {
    expect(policy([])).toMatchObject({ otherwise: errno(1), unknown: errno(38), compat: false });
    expect(policy([], { defaultErrnoRet: 13 })).toMatchObject({ otherwise: errno(13), unknown: errno(38) });
    expect(policy([], { defaultAction: "SCMP_ACT_KILL_PROCESS" }).unknown).toBe(KILL_PROCESS);
    expect(policy([], { defaultAction: ALLOWED }).unknown).toBe(ALLOW);
  });
  it("has rules by name, those with conditions first", () => {
    const { rules } = policy([
      { names: ["read", "write"], action: ALLOWED },
      { names: ["read"], action: "SCMP_ACT_ERRNO", errnoRet: 5, args: [{ index: 2, value: 9, op: "SCMP_CMP_GT" }] },
      {
        names: ["read"],
        action: "SCMP_ACT_LOG",
        args: [{ index: 0, value: 6, valueTwo: 4, op: "SCMP_CMP_MASKED_EQ" }],
      },
    ]);
    expect(rules.get("write")).toEqual([{ action: ALLOW, when: [] }]);
    expect(rules.get("read")).toEqual([
      { action: errno(5), when: [{ argument: 2, op: ">", value: 9n }] },
      { action: LOG, when: [{ argument: 0, op: "masked", mask: 6n, value: 4n }] },
      { action: ALLOW, when: [] },
    ]);
  });
  it.each([
    ["SCMP_ACT_KILL", KILL_THREAD],
    ["SCMP_ACT_KILL_THREAD", KILL_THREAD],
    ["SCMP_ACT_KILL_PROCESS", KILL_PROCESS],
    ["SCMP_ACT_TRAP", TRAP],
    ["SCMP_ACT_LOG", LOG],
  ] as const)("knows %s", (action, is) => {
    expect(policy([{ names: ["read"], action }]).rules.get("read")?.[0]?.action).toBe(is);
  });
  it.each([
    ["a capability that the container has", { includes: { caps: ["CAP_SYS_ADMIN", "CAP_CHOWN"] } }, true],
    ["a capability that it lacks", { includes: { caps: ["CAP_SYS_ADMIN"] } }, false],
    ["the absence of a capability", { excludes: { caps: ["CAP_SYS_ADMIN"] } }, true],
    ["the absence of one that it has", { excludes: { caps: ["CAP_CHOWN"] } }, false],
    ["this architecture", { includes: { arches: ["arm64", "amd64"] } }, true],
    ["another architecture", { includes: { arches: ["s390x"] } }, false],
    ["an older kernel", { includes: { minKernel: "4.8" } }, true],
    ["a newer kernel", { includes: { minKernel: "6.2" } }, false],
    [
      "a capability that it has on another architecture",
      { includes: { caps: ["CAP_CHOWN"], arches: ["arm64"] } },
      false,
    ],
    ["neither a capability nor this architecture", { excludes: { caps: ["CAP_SYS_ADMIN"], arches: ["amd64"] } }, false],
    ["no condition", { includes: {}, excludes: {}, comment: "why" }, true],
  ])("applies a rule only if its condition holds: %s", (_what, condition, counts) => {
    expect(policy([{ names: ["read"], action: ALLOWED, ...condition }]).rules.has("read")).toBe(counts);
  });
  it("allows the 32-bit interface if it names it, and otherwise ends programs that use it", () => {
    const archMap = [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] }];
    expect(policy([], { archMap }).compat).toBe(true);
    expect(policy([], { archMap }, { ...FACTS, architecture: "arm64" }).compat).toBe(false);
    expect(policy([], { architectures: ["SCMP_ARCH_X86"] }).compat).toBe(true);
  });
  it("may allow calls that our lists lack, but not refuse them", () => {
    const rule = (action: string) => ({
      defaultAction: ALLOWED,
      syscalls: [{ names: ["s390_runtime_instr"], action }],
    });
    expect(SeccompProfileSchema.safeParse(rule("SCMP_ACT_ALLOW")).success).toBe(true);
    expect(SeccompProfileSchema.safeParse(rule("SCMP_ACT_ERRNO")).success).toBe(false);
  });
  it("may have null in place of a missing key", () => {
    expect(policy(null, { archMap: null, architectures: null }).rules.size).toBe(0);
    expect(policy([{ names: ["read"], action: ALLOWED, args: null }]).rules.size).toBe(1);
  });
});
