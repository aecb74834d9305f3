import { constants } from "node:os";
import { UnsupportedError } from "@pileus/core";
import { type Action, type Comparison, errno, KILL_PROCESS, type Policy, type Rule } from "./policy.ts";
import { type Abi, syscallNumbers } from "./syscall-numbers.ts";

/** One instruction of classic BPF: linux/filter.h, struct sock_filter. `yes` and `no` are distances. */
interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly yes?: number;
  readonly no?: number;
}

/** linux/bpf_common.h. */
const [LOAD, AND, JUMP, IF_EQUAL, IF_GREATER, IF_AT_LEAST, RETURN] = [0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x06];
/** linux/seccomp.h, struct seccomp_data, little-endian. */
const AT = { number: 0, architecture: 4, low: (n: number) => 16 + 8 * n, high: (n: number) => 20 + 8 * n };
/** linux/audit.h, AUDIT_ARCH_*. */
const AUDIT: Readonly<Record<Abi, number>> = { x64: 0xc000003e, i386: 0x40000003, arm64: 0xc00000b7, arm: 0x40000028 };
/** The interfaces that a kernel of an architecture supports, the native one first. */
const INTERFACES: Readonly<Record<string, readonly [Abi, Abi]>> = { x64: ["x64", "i386"], arm64: ["arm64", "arm"] };
/**
 * Numbers from here on are those of the x32 interface, which has the architecture of the 64-bit one. It fails with
 * ENOSYS.
 */
const X32 = 0x40000000;
/** Calls of ARM alone have numbers from here on (asm/unistd.h, __ARM_NR_BASE), which say nothing of their age. */
const ARM_PRIVATE = 0xf0000;

/**
 * The filter that enforces a policy, in the kernel's format: `instructions` of 64 bits. It searches for the number in a
 * binary tree, so that no call takes more than a few steps. Pure.
 *
 * @throws {UnsupportedError} for an architecture whose numbers are unknown
 */
export function compileFilter(policy: Policy, architecture: string): Buffer {
  const interfaces = INTERFACES[architecture];
  if (interfaces === undefined)
    throw new UnsupportedError({ capability: "seccomp", reason: `no list of the system calls of ${architecture}` });
  const served = policy.compat === false ? interfaces.slice(0, 1) : interfaces;
  return encode([
    { code: LOAD, k: AT.architecture },
    ...served.flatMap((abi) => {
      const body = [{ code: LOAD, k: AT.number }, ...search(ranges(policy, abi))];
      return [{ code: IF_EQUAL, k: AUDIT[abi], yes: 1, no: 0 }, { code: JUMP, k: body.length }, ...body];
    }),
    finish(KILL_PROCESS),
  ]);
}

/** What to do for the numbers from `from` to the next range. It ends with a return. */
interface Range {
  readonly from: number;
  readonly code: readonly Instruction[];
}

function ranges({ rules, otherwise, unknown }: Policy, abi: Abi): readonly Range[] {
  const made: { from: number; code: readonly Instruction[] }[] = [];
  const append = (from: number, code: readonly Instruction[]) => {
    const before = made.at(-1)?.code;
    const same = before?.length === 1 && code.length === 1 && before[0]?.k === code[0]?.k;
    if (!same) made.push({ from, code });
  };
  const calls = [...syscallNumbers(abi)].sort(([, a], [, b]) => a - b);
  const newest = calls.findLast(([name, number]) => rules.has(name) && number < ARM_PRIVATE)?.[1] ?? -1;
  let next = 0;
  for (const [name, number] of calls) {
    if (number > next) append(next, [finish(unknown)]);
    const known = number <= newest || rules.has(name);
    append(number, known ? decide(rules.get(name) ?? [], otherwise) : [finish(unknown)]);
    next = number + 1;
  }
  append(next, [finish(unknown)]);
  if (abi === "x64") append(X32, [finish(errno(constants.errno.ENOSYS))]);
  return made;
}

function decide(rules: readonly Rule[], otherwise: Action): readonly Instruction[] {
  const code: Instruction[] = [];
  for (const { action, when } of rules) {
    let block: readonly Instruction[] = [finish(action)];
    for (const comparison of [...when].reverse()) block = [...test(comparison, block.length), ...block];
    code.push(...block);
    if (when.length === 0) return code;
  }
  return [...code, finish(otherwise)];
}

function search(sorted: readonly Range[]): readonly Instruction[] {
  const [first] = sorted;
  if (sorted.length <= 1) return first?.code ?? [];
  const middle = sorted.length >> 1;
  const left = search(sorted.slice(0, middle));
  const right = search(sorted.slice(middle));
  const k = sorted[middle]?.from ?? 0;
  // A conditional jump reaches at most 255 instructions.
  const branch =
    left.length <= 255
      ? [{ code: IF_AT_LEAST, k, yes: left.length, no: 0 }]
      : [
          { code: IF_AT_LEAST, k, yes: 0, no: 1 },
          { code: JUMP, k: left.length },
        ];
  return [...branch, ...left, ...right];
}

/** Continues with the next instruction if the comparison holds, otherwise skips `skip` instructions more. */
function test({ argument, op, value, mask, bits = 64 }: Comparison, skip: number): readonly Instruction[] {
  const low = { code: LOAD, k: AT.low(argument) };
  const high = { code: LOAD, k: AT.high(argument) };
  const [l, h] = [lower(value), lower(value >> 32n)];
  const end = lowTest(op, l, skip);
  if (op === "masked") {
    const lowPart = [low, { code: AND, k: lower(mask ?? 0n) }, ...end];
    if (bits === 32) return lowPart;
    const no = lowPart.length + skip;
    return [high, { code: AND, k: lower((mask ?? 0n) >> 32n) }, { code: IF_EQUAL, k: h, yes: 0, no }, ...lowPart];
  }
  if (bits === 32) return [low, ...end];
  const [yes, no] = [2, 2 + skip];
  if (op === "==") return [high, { code: IF_EQUAL, k: h, yes: 0, no }, low, ...end];
  if (op === "!=") return [high, { code: IF_EQUAL, k: h, yes: 0, no: yes }, low, ...end];
  // The upper half decides unless it is equal.
  const [above, below] = op === ">" || op === ">=" ? [yes, no] : [no, yes];
  return [
    high,
    { code: IF_GREATER, k: h, yes: above + 1, no: 0 },
    { code: IF_EQUAL, k: h, yes: 0, no: below },
    low,
    ...end,
  ];
}

function lowTest(op: Comparison["op"], k: number, skip: number): readonly Instruction[] {
  switch (op) {
    case "==":
    case "masked":
      return [{ code: IF_EQUAL, k, yes: 0, no: skip }];
    case "!=":
      return [{ code: IF_EQUAL, k, yes: skip, no: 0 }];
    case ">":
      return [{ code: IF_GREATER, k, yes: 0, no: skip }];
    case ">=":
      return [{ code: IF_AT_LEAST, k, yes: 0, no: skip }];
    case "<":
      return [{ code: IF_AT_LEAST, k, yes: skip, no: 0 }];
    case "<=":
      return [{ code: IF_GREATER, k, yes: skip, no: 0 }];
  }
}

function finish(action: Action): Instruction {
  return { code: RETURN, k: action };
}

function lower(value: bigint): number {
  return Number(value & 0xffffffffn);
}

function encode(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [index, { code, k, yes = 0, no = 0 }] of instructions.entries()) {
    const at = index * 8;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(yes, at + 2);
    bytes.writeUInt8(no, at + 3);
    bytes.writeUInt32LE(k >>> 0, at + 4);
  }
  return bytes;
}
