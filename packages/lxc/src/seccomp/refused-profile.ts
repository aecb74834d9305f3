import type { ConfigIssue } from "@pileus/core";
import { type ConfinementDefaults, type ConfinementSection, confinementOf } from "../confinement-section.ts";
import type { InitSpec } from "../container-spec.ts";
import { ALLOW, LOG, type Policy } from "./policy.ts";

/** What becomes the user and executes the program, once the filter is loaded: helper/init-helper.c. */
const START = ["capget", "capset", "setgroups", "setgid", "setuid", "execve"] as const;
/** What our init needs besides, to start a program and to wait for its end. */
const REAP = ["clone", "signalfd4", "read", "wait4", "exit_group"] as const;

const NEEDED: Readonly<Record<NonNullable<InitSpec["role"]>, readonly string[]>> = {
  program: START,
  reaper: [...START, ...REAP],
  idle: [...START, ...REAP],
};

/**
 * The system calls without which PID 1 cannot run its program, and which a policy refuses whatever their arguments
 * are. Rules with conditions are not judged. Pure.
 */
function refusedCalls({ rules, otherwise }: Policy, role: NonNullable<InitSpec["role"]>): readonly string[] {
  const passes = (action: number) => action === ALLOW || action === LOG;
  return NEEDED[role].filter((name) => {
    const [first] = rules.get(name) ?? [];
    return first === undefined ? !passes(otherwise) : first.when.length === 0 && !passes(first.action);
  });
}

/** What is wrong with the profile of a driver's section, for `Backend.plan()`: no program can start under it. */
export function refusedProfile(
  name: string,
  section: Partial<ConfinementSection> | undefined,
  defaults: ConfinementDefaults,
  role: InitSpec["role"] = "program",
): readonly ConfigIssue[] {
  if (typeof section?.seccomp !== "object") return [];
  const { seccomp } = confinementOf(section, defaults);
  const refused = seccomp === undefined ? [] : refusedCalls(seccomp, role);
  if (refused.length === 0) return [];
  const message = `the profile refuses ${refused.join(", ")}, so no program can start: allow what is needed for that`;
  return [{ path: [name, "seccomp"], message }];
}
