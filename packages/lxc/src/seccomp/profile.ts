import { constants, release } from "node:os";
import { z } from "zod";
import type { LinuxCapability } from "../capabilities.ts";
import {
  type Action,
  ALLOW,
  type Comparison,
  errno,
  KILL_PROCESS,
  KILL_THREAD,
  LOG,
  type Policy,
  type Rule,
  TRAP,
} from "./policy.ts";
import { isSyscall } from "./syscall-numbers.ts";

/** What happens to a system call, in the words of libseccomp. */
export type SeccompAction =
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_TRAP";

/** A condition on an argument of a system call. */
export interface SeccompArgument {
  /** The place of the argument: 0 to 5. */
  readonly index: number;
  /** The value to compare with; of `SCMP_CMP_MASKED_EQ` the mask. */
  readonly value: number;
  /** Of `SCMP_CMP_MASKED_EQ`: the value of the masked bits. Default 0. */
  readonly valueTwo?: number | undefined;
  /** How the argument compares with the value. */
  readonly op:
    | "SCMP_CMP_NE"
    | "SCMP_CMP_LT"
    | "SCMP_CMP_LE"
    | "SCMP_CMP_EQ"
    | "SCMP_CMP_GE"
    | "SCMP_CMP_GT"
    | "SCMP_CMP_MASKED_EQ";
}

/** When a rule counts. All that is given must be true. */
export interface SeccompCondition {
  /** Capabilities, as `CAP_NET_ADMIN`: the container has one of them. */
  readonly caps?: readonly string[] | undefined;
  /** Architectures in the words of Go, as `amd64`: the host has one of them. */
  readonly arches?: readonly string[] | undefined;
  /** The least version of the host's kernel, as `4.8`. */
  readonly minKernel?: string | undefined;
}

/** A rule for some system calls. */
export interface SeccompRule {
  /** The system calls. */
  readonly names: readonly string[];
  /** What happens to them. */
  readonly action: SeccompAction;
  /** The error of `SCMP_ACT_ERRNO`. Default 1: EPERM. */
  readonly errnoRet?: number | undefined;
  /** The rule counts for calls whose arguments meet all of these conditions. */
  readonly args?: readonly SeccompArgument[] | null | undefined;
  /** The rule counts only under these conditions. */
  readonly includes?: SeccompCondition | undefined;
  /** The rule does not count under any of these conditions. */
  readonly excludes?: SeccompCondition | undefined;
  /** A note. */
  readonly comment?: string | undefined;
}

/**
 * A profile of system calls in the format that Docker, Podman and containerd read: `JSON.parse()` of such a file. It
 * must allow what starts a program: `capget`, `capset`, `execve`, `setgroups`, `setgid`, `setuid`, else `create()` refuses
 * it; and what the program's loader needs, else SIGSYS ends the program.
 */
export interface SeccompProfile {
  /**
   * What happens to the system calls without a rule. If it is an error, calls that are newer than those with a rule fail
   * with ENOSYS, so that programs fall back on an older call.
   */
  readonly defaultAction: SeccompAction;
  /** The error of `defaultAction`. Default 1: EPERM. */
  readonly defaultErrnoRet?: number | undefined;
  /** The interfaces that programs may use besides the processor's own, as `SCMP_ARCH_X86`. Others end the program. */
  readonly architectures?: readonly string[] | null | undefined;
  /** The same by architecture of the host. */
  readonly archMap?:
    | readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null | undefined }[]
    | null
    | undefined;
  /** The rules. Of the rules for one system call, those with `args` are tried first. */
  readonly syscalls?: readonly SeccompRule[] | null | undefined;
}

/** What a profile depends on besides itself. */
export interface ProfileFacts {
  /** As `process.arch` names it. */
  readonly architecture: string;
  readonly capabilities: ReadonlySet<LinuxCapability>;
  /** Of the kernel. Default: this host's. */
  readonly release?: string | undefined;
}

const GO_NAMES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
const COMPAT: Readonly<Record<string, string>> = { x64: "SCMP_ARCH_X86", arm64: "SCMP_ARCH_ARM" };
const NATIVE: Readonly<Record<string, string>> = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" };

/** The policy that a profile describes on a host of this architecture. Pure. */
export function profilePolicy(profile: SeccompProfile, facts: ProfileFacts): Policy {
  const otherwise = actionOf(profile.defaultAction, profile.defaultErrnoRet);
  const rules = new Map<string, Rule[]>();
  for (const { names, action, errnoRet, args, includes, excludes } of profile.syscalls ?? []) {
    if (!includesHost(includes, facts) || excludesHost(excludes, facts)) continue;
    const rule = { action: actionOf(action, errnoRet), when: (args ?? []).map(comparison) };
    for (const name of names) rules.set(name, [...(rules.get(name) ?? []), rule]);
  }
  for (const [name, list] of rules) {
    const isConditional = ({ when }: Rule) => when.length > 0;
    rules.set(name, [...list.filter(isConditional), ...list.filter((rule) => !isConditional(rule))]);
  }
  const unknown = profile.defaultAction === "SCMP_ACT_ERRNO" ? errno(constants.errno.ENOSYS) : otherwise;
  return { rules, otherwise, unknown, compat: hasCompat(profile, facts.architecture) };
}

function actionOf(action: SeccompAction, number: number = constants.errno.EPERM): Action {
  return action === "SCMP_ACT_ERRNO" ? errno(number) : ACTIONS[action];
}

const ACTIONS: Readonly<Record<Exclude<SeccompAction, "SCMP_ACT_ERRNO">, Action>> = {
  SCMP_ACT_ALLOW: ALLOW,
  SCMP_ACT_KILL: KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: KILL_PROCESS,
  SCMP_ACT_KILL_THREAD: KILL_THREAD,
  SCMP_ACT_LOG: LOG,
  SCMP_ACT_TRAP: TRAP,
};

const OPERATORS: Readonly<Record<SeccompArgument["op"], Comparison["op"]>> = {
  SCMP_CMP_NE: "!=",
  SCMP_CMP_LT: "<",
  SCMP_CMP_LE: "<=",
  SCMP_CMP_EQ: "==",
  SCMP_CMP_GE: ">=",
  SCMP_CMP_GT: ">",
  SCMP_CMP_MASKED_EQ: "masked",
};

function comparison({ index, value, valueTwo = 0, op }: SeccompArgument): Comparison {
  const first = { argument: index, op: OPERATORS[op] };
  return op === "SCMP_CMP_MASKED_EQ"
    ? { ...first, mask: BigInt(value), value: BigInt(valueTwo) }
    : { ...first, value: BigInt(value) };
}

function includesHost(condition: SeccompCondition | undefined, facts: ProfileFacts): boolean {
  return matches(condition, facts).every((holds) => holds);
}

function excludesHost(condition: SeccompCondition | undefined, facts: ProfileFacts): boolean {
  return matches(condition, facts).some((holds) => holds);
}

function matches({ caps, arches, minKernel }: SeccompCondition = {}, facts: ProfileFacts): readonly boolean[] {
  const has = (name: string) => (facts.capabilities as ReadonlySet<string>).has(name.replace(/^CAP_/, ""));
  return [
    ...(caps?.length ? [caps.some(has)] : []),
    ...(arches?.length ? [arches.includes(GO_NAMES[facts.architecture] ?? "")] : []),
    ...(minKernel === undefined ? [] : [isAtLeast(facts.release ?? release(), minKernel)]),
  ];
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

function hasCompat({ architectures, archMap }: SeccompProfile, architecture: string): boolean {
  const own = archMap?.find((entry) => entry.architecture === NATIVE[architecture]);
  return [...(architectures ?? []), ...(own?.subArchitectures ?? [])].includes(COMPAT[architecture] ?? "");
}

const WordsSchema = z.array(z.string().max(64)).max(2000);
const ActionSchema = z.enum([
  "SCMP_ACT_ERRNO",
  ...(Object.keys(ACTIONS) as Exclude<SeccompAction, "SCMP_ACT_ERRNO">[]),
]);
const ErrnoSchema = z.int().min(0).max(4095);
const NumberSchema = z
  .number()
  .int()
  .min(0)
  .max(2 ** 64);
const ConditionSchema = z.strictObject({
  caps: WordsSchema.optional(),
  arches: WordsSchema.optional(),
  minKernel: z
    .string()
    .regex(/^\d{1,4}\.\d{1,4}$/, "a version of Linux is like 4.8")
    .optional(),
});
const RuleSchema = z
  .strictObject({
    names: WordsSchema.min(1),
    action: ActionSchema,
    errnoRet: ErrnoSchema.optional(),
    args: z
      .array(
        z.strictObject({
          index: z.int().min(0).max(5),
          value: NumberSchema,
          valueTwo: NumberSchema.optional(),
          op: z.enum(Object.keys(OPERATORS) as SeccompArgument["op"][]),
        }),
      )
      .max(6)
      .nullish(),
    includes: ConditionSchema.optional(),
    excludes: ConditionSchema.optional(),
    comment: z.string().max(4096).optional(),
  })
  .superRefine(({ names, action }, context) => {
    // A call that a rule only allows may be newer than our lists, or belong to another processor.
    if (action === "SCMP_ACT_ALLOW" || action === "SCMP_ACT_LOG") return;
    for (const [at, name] of names.entries())
      if (!isSyscall(name))
        context.addIssue({
          code: "custom",
          path: ["names", at],
          message: "no such system call of x86 or ARM: it would stay allowed",
        });
  });

/** Reads {@link SeccompProfile}. */
export const SeccompProfileSchema: z.ZodType<SeccompProfile, SeccompProfile> = z.strictObject({
  defaultAction: ActionSchema,
  defaultErrnoRet: ErrnoSchema.optional(),
  architectures: WordsSchema.nullish(),
  archMap: z
    .array(z.strictObject({ architecture: z.string().max(64), subArchitectures: WordsSchema.nullish() }))
    .max(64)
    .nullish(),
  syscalls: z.array(RuleSchema).max(2000).nullish(),
});
