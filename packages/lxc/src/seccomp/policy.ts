/** What the kernel does with a system call: a value of linux/seccomp.h. */
export type Action = number;

export const ALLOW: Action = 0x7fff0000;
/** Allowed, with a line in the audit log. */
export const LOG: Action = 0x7ffc0000;
/** SIGSYS. */
export const TRAP: Action = 0x00030000;
export const KILL_THREAD: Action = 0;
export const KILL_PROCESS: Action = 0x80000000;

/** The call fails with this error, and does nothing. */
export function errno(number: number): Action {
  return 0x00050000 | number;
}

/** A condition on one argument of a call, as an unsigned number. */
export interface Comparison {
  /** 0 to 5. */
  readonly argument: number;
  /** `masked`: the bits of the argument that `mask` selects equal `value`. */
  readonly op: "==" | "!=" | "<" | "<=" | ">" | ">=" | "masked";
  readonly value: bigint;
  readonly mask?: bigint | undefined;
  /** With 32, only the lower half is compared. Default 64. */
  readonly bits?: 32 | 64 | undefined;
}

/** What happens to a call if all of its conditions hold. */
export interface Rule {
  readonly action: Action;
  readonly when: readonly Comparison[];
}

/** Which system calls a program may use. */
export interface Policy {
  /** By the name of the call. The first rule that holds counts. */
  readonly rules: ReadonlyMap<string, readonly Rule[]>;
  /** For a known call for which no rule holds. */
  readonly otherwise: Action;
  /**
   * For a number that no known call has, and for a call that is newer than every call with a rule: its author did not
   * know it. runc does the same (libcontainer/seccomp/patchbpf).
   */
  readonly unknown: Action;
  /** Whether programs may use the 32-bit interface of the processor. Default true. */
  readonly compat?: boolean | undefined;
}
