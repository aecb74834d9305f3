import { describe, expect, it } from "vitest";
import {
  APPLICATION_CAPABILITIES,
  capabilityMask,
  LINUX_CAPABILITIES,
  SYSTEM_CAPABILITIES,
} from "../src/capabilities.ts";
import { encodeConfinement, readConfinement, UNCONFINED } from "../src/confinement.ts";
import {
  APPLICATION_DEFAULTS,
  type ConfinementInput,
  confinementOf,
  SYSTEM_DEFAULTS,
} from "../src/confinement-section.ts";
import { LxcSectionSchema } from "../src/section.ts";
import { FULL_SPEC } from "./support/spec.ts";

/** The hexadecimal digits of CapBnd for a configuration. */
function mask(capabilities: ConfinementInput["capabilities"], defaults = APPLICATION_DEFAULTS): string {
  const section = LxcSectionSchema.parse({ capabilities });
  return capabilityMask(confinementOf(section, defaults).capabilities).toString(16);
}

describe("the capabilities of a container", () => {
  it("are those of Docker, or all but those for the host in a system container", () => {
    // CapBnd within a container of Docker.
    expect(mask(undefined)).toBe("a80425fb");
    expect(mask(undefined, SYSTEM_DEFAULTS)).toBe((0x1ffffffffffn & ~0x302030000n).toString(16));
    expect(new Set(LINUX_CAPABILITIES).size).toBe(41);
    expect([APPLICATION_CAPABILITIES.length, SYSTEM_CAPABILITIES.length]).toEqual([14, 36]);
  });
  it("are changed by names with or without the prefix", () => {
    expect(mask({ add: ["NET_ADMIN"] })).toBe((0xa80425fbn | (1n << 12n)).toString(16));
    expect(mask({ add: ["CAP_CHECKPOINT_RESTORE"], drop: ["CAP_CHOWN"] })).toBe("100a80425fa");
  });
  it("are all or none, except those of the other list", () => {
    expect(mask({ add: ["all"] })).toBe("1ffffffffff");
    for (const [bit, name] of LINUX_CAPABILITIES.entries())
      expect(mask({ add: ["all"], drop: [name] })).toBe((0x1ffffffffffn & ~(1n << BigInt(bit))).toString(16));
    expect(mask({ drop: ["all"] })).toBe("0");
    expect(mask({ drop: ["all"], add: ["CHOWN", "KILL"] })).toBe("21");
  });
  it.each<[string, unknown]>([
    ["an unknown name", { add: ["NET_ADMINS"] }],
    ["a name in small letters", { add: ["net_admin"] }],
    ["a number", { drop: [12] }],
    ["a capability in both lists", { add: ["CHOWN"], drop: ["CAP_CHOWN"] }],
    ["all in both lists", { add: ["all"], drop: ["all"] }],
    ["another key", { keep: [] }],
  ])("cannot be %s", (_what, capabilities) => {
    expect(LxcSectionSchema.safeParse({ capabilities }).success).toBe(false);
  });
  it.each([
    ["ALL", 'write "all" in lower case'],
    ["net_admin", 'write "NET_ADMIN" in upper case'],
    ["NETADMIN", "write NET_ADMIN, CAP_NET_ADMIN or all"],
  ])("are named with their right spelling if one is written as %s", (name, told) => {
    const { error } = LxcSectionSchema.safeParse({ capabilities: { drop: [name] } });
    expect(error?.issues[0]?.message).toContain(told);
  });
});

describe("the confinement of a container", () => {
  it("is the default for a record that lacks it", () => {
    const confinement = confinementOf({}, APPLICATION_DEFAULTS);
    expect(confinement.noNewPrivileges).toBe(true);
    expect(confinement.seccomp).toBe(APPLICATION_DEFAULTS.policy(new Set(APPLICATION_CAPABILITIES), false));
    expect(confinementOf({}, SYSTEM_DEFAULTS).noNewPrivileges).toBe(false);
  });
  it("has no keys where users inside are users of the host: the kernel would give them the keys of those", () => {
    const policyWith = (of: "uid" | "gid" | "both") => {
      const idmap = { extra: [{ inside: 1000, outside: 1000, of }] };
      return confinementOf(LxcSectionSchema.parse({ idmap }), SYSTEM_DEFAULTS).seccomp;
    };
    const rules = ["add_key", "request_key", "keyctl"].map((name) => policyWith("both")?.rules.get(name)?.length);
    expect(rules).toEqual([1, 1, 1]);
    expect(policyWith("uid")).toBe(policyWith("both"));
    expect(policyWith("gid")).toBe(confinementOf({}, SYSTEM_DEFAULTS).seccomp);
    expect(policyWith("gid")?.rules.has("keyctl")).toBe(false);
  });
  it("begins with the capabilities to keep, and the number of instructions that follow", () => {
    const bytes = encodeConfinement(confinementOf({}, APPLICATION_DEFAULTS));
    expect(bytes.readBigUInt64LE(0)).toBe(0xa80425fbn);
    expect(bytes.length).toBe(16 + 8 * bytes.readUInt32LE(8));
    expect(bytes.readUInt32LE(12)).toBe(1);
    expect(UNCONFINED.toString("hex")).toBe(`ffffffffff010000${"00".repeat(8)}`);
    const open = confinementOf(LxcSectionSchema.parse({ seccomp: "unconfined" }), SYSTEM_DEFAULTS);
    expect(encodeConfinement(open).length).toBe(16);
  });
  it("has the capabilities of a system for a run whose start recorded none, and is unknown if nobody can tell", () => {
    const legacy = readConfinement({ ...FULL_SPEC, name: "none-such-here" });
    expect(legacy.readBigUInt64LE(0)).toBe(capabilityMask(SYSTEM_CAPABILITIES));
    expect(() => readConfinement({ ...FULL_SPEC, name: "a".repeat(4_096) })).toThrow("ENAMETOOLONG");
  });
  it("refuses a profile with its place and the reason", () => {
    const refused = (seccomp: unknown) => LxcSectionSchema.safeParse({ seccomp });
    const rule = { names: ["chmod", "chmodd"], action: "SCMP_ACT_ERRNO" };
    const { error } = refused({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] });
    expect(JSON.stringify(error?.issues)).toContain("no such system call of x86 or ARM");
    for (const seccomp of ["unconfigured", "/etc/profile.json", {}, { defaultAction: "SCMP_ACT_NOTIFY" }, 7])
      expect(refused(seccomp).success).toBe(false);
  });
});
