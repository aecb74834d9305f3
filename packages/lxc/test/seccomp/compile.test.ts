import { describe, expect, it } from "vitest";
import { APPLICATION_CAPABILITIES, LINUX_CAPABILITIES, type LinuxCapability } from "../../src/capabilities.ts";
import { compileFilter } from "../../src/seccomp/compile.ts";
import { applicationPolicy, systemPolicy } from "../../src/seccomp/default-policies.ts";
import { ALLOW, type Comparison, errno, KILL_PROCESS, type Policy } from "../../src/seccomp/policy.ts";
import { type Abi, syscallNumbers } from "../../src/seccomp/syscall-numbers.ts";
import { runFilter } from "../support/run-filter.ts";

const AUDIT = { x64: 0xc000003e, i386: 0x40000003, arm64: 0xc00000b7, arm: 0x40000028 } as const;
const HOSTS = { x64: "x64", i386: "x64", arm64: "arm64", arm: "arm64" } as const;
const ABIS = Object.keys(AUDIT) as Abi[];
const [EPERM, EACCES, ENOSYS] = [errno(1), errno(13), errno(38)];

/** What the policy's filter answers to a call by name. */
function answer(policy: Policy, name: string, args: readonly bigint[] = [], abi: Abi = "x64"): number {
  const number = syscallNumbers(abi).get(name);
  if (number === undefined) throw new Error(`${abi} has no ${name}`);
  return runFilter(compileFilter(policy, HOSTS[abi]), { architecture: AUDIT[abi], number, args });
}

/** The calls of any interface that the policy's filter does not let pass, without arguments. */
function refusedBy(policy: Policy): readonly string[] {
  const refused = ABIS.flatMap((abi) => {
    const filter = compileFilter(policy, HOSTS[abi]);
    const passes = (number: number) => runFilter(filter, { architecture: AUDIT[abi], number }) === ALLOW;
    return [...syscallNumbers(abi)].filter(([, number]) => !passes(number)).map(([name]) => name);
  });
  return [...new Set(refused)].sort();
}

it.each([
  ["application", applicationPolicy(new Set(APPLICATION_CAPABILITIES))],
  ["all-capabilities", applicationPolicy(new Set(LINUX_CAPABILITIES))],
  ["system", systemPolicy()],
])("the default policy refuses exactly the reviewed calls: %s", async (name, policy) => {
  await expect(`${refusedBy(policy).join("\n")}\n`).toMatchFileSnapshot(`golden/refused-${name}.txt`);
});

describe("the numbers of system calls", () => {
  it.each([
    ["x64", { read: 0, execve: 59, kexec_load: 246, seccomp: 317, clone3: 435, openat2: 437, fchmodat2: 452 }],
    ["i386", { read: 3, umount2: 52, socketcall: 102, clone: 120, keyctl: 288, clone3: 435 }],
    ["arm64", { io_setup: 0, umount2: 39, kexec_load: 104, clone: 220, bpf: 280, clone3: 435 }],
    ["arm", { read: 3, clone: 120, kexec_load: 347, set_tls: 983_045, clone3: 435 }],
  ] as const)("are those of Linux for %s", (abi, some) => {
    const numbers = syscallNumbers(abi);
    for (const [name, number] of Object.entries(some)) expect([name, numbers.get(name)]).toEqual([name, number]);
    expect(new Set(numbers.values()).size).toBe(numbers.size);
  });
});

describe("a filter", () => {
  it.each(ABIS)("answers every number of %s as the policy says", (abi) => {
    const rules = new Map(
      [...syscallNumbers(abi).keys()].map((name, at) => [name, [{ action: errno(at + 1), when: [] }]]),
    );
    const filter = compileFilter({ rules, otherwise: ALLOW, unknown: ENOSYS }, HOSTS[abi]);
    const names = new Map([...syscallNumbers(abi)].map(([name, number]) => [number, name]));
    for (const number of [...names.keys(), ...Array(600).keys(), 0x3fffffff]) {
      const action = rules.get(names.get(number) ?? "")?.[0]?.action ?? ENOSYS;
      expect([number, runFilter(filter, { architecture: AUDIT[abi], number })]).toEqual([number, action]);
    }
  });

  it.each(ABIS)("is short enough for the kernel for every default of %s, and takes few steps", (abi) => {
    for (const policy of [applicationPolicy(new Set(APPLICATION_CAPABILITIES)), systemPolicy()])
      expect(compileFilter(policy, HOSTS[abi]).length / 8).toBeLessThan(1000);
  });

  it("ends a program that uses an unknown interface, and refuses x32", () => {
    const filter = compileFilter(systemPolicy(), "x64");
    expect(runFilter(filter, { architecture: AUDIT.arm, number: 0 })).toBe(KILL_PROCESS);
    expect(runFilter(filter, { architecture: AUDIT.x64, number: 0x40000000 })).toBe(ENOSYS);
    expect(runFilter(filter, { architecture: AUDIT.x64, number: 0xffffffff })).toBe(ENOSYS);
    const without = compileFilter({ ...systemPolicy(), compat: false }, "x64");
    expect(runFilter(without, { architecture: AUDIT.i386, number: 3 })).toBe(KILL_PROCESS);
  });

  it("is refused for an architecture without a list of system calls", () => {
    expect(() => compileFilter(systemPolicy(), "riscv64")).toThrow(/no list of the system calls of riscv64/);
  });

  const high = 0x1_0000_0005n;
  it.each<[Comparison["op"], bigint, readonly bigint[], readonly bigint[]]>([
    ["==", high, [high], [5n, high + 1n, 0x2_0000_0005n]],
    ["!=", high, [5n, high - 1n, 0x2_0000_0005n], [high]],
    ["<", high, [0n, 6n, high - 1n], [high, high + 1n, 0x2_0000_0000n]],
    ["<=", high, [0n, 6n, high], [high + 1n, 0x2_0000_0000n]],
    [">", high, [high + 1n, 0x2_0000_0000n], [high, 6n, 0n]],
    [">=", high, [high, high + 1n, 0x2_0000_0000n], [high - 1n, 6n, 0n]],
  ])("compares 64 bits by %s", (op, value, yes, no) => {
    for (const count of [1, 6]) {
      const when = Array.from({ length: count }, (_, argument) => ({ argument, op, value }));
      const rules = new Map([["read", [{ action: EPERM, when }]]]);
      const policy = { rules, otherwise: ALLOW, unknown: ALLOW };
      const all = (one: bigint) => answer(policy, "read", Array(count).fill(one));
      expect(yes.map(all)).toEqual(yes.map(() => EPERM));
      expect(no.map(all)).toEqual(no.map(() => ALLOW));
      // All conditions of a rule must hold.
      const last = (one: bigint) => answer(policy, "read", [...Array(count - 1).fill(yes[0]), one]);
      expect(no.map(last)).toEqual(no.map(() => ALLOW));
    }
  });

  it("compares the masked bits, and only the lower half if the rule says so", () => {
    const when = (one: Omit<Comparison, "argument">) =>
      new Map([["read", [{ action: EPERM, when: [{ argument: 0, ...one }] }]]]);
    const of = (one: Omit<Comparison, "argument">, value: bigint) =>
      answer({ rules: when(one), otherwise: ALLOW, unknown: ALLOW }, "read", [value]);
    const masked = { op: "masked", mask: 0xf_0000_00f0n, value: 0x1_0000_0020n } as const;
    expect(of(masked, 0xff_1111_1121n)).toBe(ALLOW);
    expect(of(masked, 0x01_1111_1121n)).toBe(EPERM);
    expect(of(masked, 0x01_1111_1131n)).toBe(ALLOW);
    for (const bits of [32, 64] as const)
      expect(of({ op: "==", value: 38n, bits }, 0x1_0000_0026n)).toBe(bits === 32 ? EPERM : ALLOW);
  });
});

describe("the policy of application containers", () => {
  const policy = applicationPolicy(new Set(APPLICATION_CAPABILITIES));
  const withOne = (name: LinuxCapability) => applicationPolicy(new Set([...APPLICATION_CAPABILITIES, name]));

  it.each(ABIS)("allows what programs of %s use, and refuses what reaches the host", (abi) => {
    const numbers = syscallNumbers(abi);
    const of = (names: readonly string[]) =>
      Object.fromEntries(names.filter((n) => numbers.has(n)).map((n) => [n, answer(policy, n, [], abi)]));
    const allowed =
      "read execve openat mmap setuid setgroups chroot ptrace chown io_setup seccomp futex_time64 set_tls";
    for (const [name, action] of Object.entries(of(allowed.split(" ")))) expect([name, action]).toEqual([name, ALLOW]);
    const refused =
      "mount umount2 pivot_root setns unshare bpf keyctl add_key request_key kexec_load init_module finit_module open_by_handle_at perf_event_open userfaultfd io_uring_setup reboot swapon acct syslog open_tree fsopen move_mount quotactl settimeofday iopl";
    for (const [name, action] of Object.entries(of(refused.split(" ")))) expect([name, action]).toEqual([name, EPERM]);
  });
  it("makes programs use an older call if it cannot check a newer one or does not know it", () => {
    expect(answer(policy, "clone3")).toBe(ENOSYS);
    const filter = compileFilter(policy, "x64");
    expect(runFilter(filter, { architecture: AUDIT.x64, number: 999 })).toBe(ENOSYS);
  });
  it.each(ABIS)("has no answer but ENOSYS to the calls of %s that are newer than Docker's list", (abi) => {
    for (const name of ["open_tree_attr", "file_getattr", "file_setattr", "listns"]) {
      expect([name, answer(policy, name, [], abi)]).toEqual([name, ENOSYS]);
      expect([name, answer(withOne("SYS_ADMIN"), name, [], abi)]).toEqual([name, ENOSYS]);
    }
  });
  it("allows new processes and threads, but no new namespaces", () => {
    const SIGCHLD = 17n;
    expect(answer(policy, "clone", [SIGCHLD])).toBe(ALLOW);
    expect(answer(policy, "clone", [0x3d0f00n])).toBe(ALLOW);
    for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n])
      expect([flag, answer(policy, "clone", [flag | SIGCHLD])]).toEqual([flag, EPERM]);
  });
  it("allows the sockets of networks, not those of the kernel's ciphers and of virtual machines", () => {
    for (const family of [1n, 2n, 10n, 16n, 17n, 39n, 44n]) expect(answer(policy, "socket", [family])).toBe(ALLOW);
    for (const family of [38n, 40n, 0x1_0000_0026n]) expect(answer(policy, "socket", [family])).toBe(EPERM);
  });
  it("allows the personalities of Linux only", () => {
    for (const persona of [0n, 8n, 0x20000n, 0xffffffffn]) expect(answer(policy, "personality", [persona])).toBe(ALLOW);
    // ADDR_NO_RANDOMIZE.
    expect(answer(policy, "personality", [0x40000n])).toBe(EPERM);
  });
  it("depends on the capabilities", () => {
    expect(answer(withOne("SYS_ADMIN"), "mount")).toBe(ALLOW);
    expect(answer(withOne("SYS_ADMIN"), "clone3")).toBe(ALLOW);
    expect(answer(withOne("SYS_ADMIN"), "clone", [0x10000000n])).toBe(ALLOW);
    expect(answer(withOne("SYS_TIME"), "clock_settime")).toBe(ALLOW);
    expect(answer(withOne("BPF"), "bpf")).toBe(ALLOW);
    expect(answer(withOne("BPF"), "mount")).toBe(EPERM);
    expect(answer(applicationPolicy(new Set()), "chroot")).toBe(EPERM);
  });
});

describe("the policy of system containers", () => {
  it.each(ABIS)("refuses what affects the host, by any interface: %s", (abi) => {
    for (const name of ["kexec_load", "init_module", "finit_module", "delete_module", "open_by_handle_at"])
      expect([name, answer(systemPolicy(), name, [], abi)]).toEqual([name, EPERM]);
    for (const name of ["mount", "unshare", "keyctl", "bpf", "clone3"])
      expect([name, answer(systemPolicy(), name, [], abi)]).toEqual([name, ALLOW]);
    const [MNT_FORCE, MNT_DETACH] = [1n, 2n];
    expect(answer(systemPolicy(), "umount2", [0n, MNT_FORCE | MNT_DETACH], abi)).toBe(EACCES);
    expect(answer(systemPolicy(), "umount2", [0n, MNT_DETACH], abi)).toBe(ALLOW);
  });
});
