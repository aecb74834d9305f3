import type { SignalName } from "../terms/state.ts";
import { printable } from "../text/printable.ts";
import { InstanceError } from "./instance-error.ts";

/** The driver, or this host or this guest at the moment, cannot do what the call asks for; `reason` says which. */
export class UnsupportedError extends InstanceError {
  readonly code = "ERR_UNSUPPORTED";
  /** The missing capability, or the missing part of one (`"logs:stderr"`). */
  readonly capability: string;
  readonly reason: string;
  constructor(facts: { readonly capability: string; readonly reason: string }, options?: ErrorOptions) {
    super(`${facts.capability} is not supported: ${facts.reason}`, options);
    this.capability = facts.capability;
    this.reason = facts.reason;
  }
}

/** One thing that the host lacks, and how to get it. */
export interface Missing {
  /** What is missing, as `doctor()` names it: `"binary:lxc-start"`, `"root"`, `"kvm"`. */
  readonly need: string;
  readonly reason: string;
  /** What to do about it: a command, if one helps. */
  readonly fix: string;
}

/** The host lacks what a call needs: a tool, a right, a feature of the kernel. Each entry has its fix. */
export class HostError extends InstanceError {
  readonly code = "ERR_HOST";
  readonly missing: readonly Missing[];
  constructor(action: string, missing: readonly Missing[], options?: ErrorOptions) {
    super(
      `cannot ${action} on this host: ${missing.map((m) => `${m.need} (${m.reason}; fix: ${m.fix})`).join("; ")}`,
      options,
    );
    this.missing = missing;
  }
}

/** A tool of the host failed, and no more specific error fits. */
export class CommandError extends InstanceError {
  readonly code = "ERR_COMMAND";
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly signal: SignalName | undefined;
  /** The last 4 KiB, exactly as the tool wrote them: do not print them to a terminal unfiltered. */
  readonly stderr: string;
  constructor(
    facts: {
      readonly argv: readonly string[];
      readonly exitCode?: number | undefined;
      readonly signal?: SignalName | undefined;
      readonly stderr?: string;
    },
    options?: ErrorOptions,
  ) {
    const stderr = (facts.stderr ?? "").slice(-4096);
    const how = facts.signal ? `was ended by ${facts.signal}` : `exited with ${facts.exitCode ?? "no code"}`;
    const last = stderr.trim().split("\n").at(-1);
    super(`${facts.argv[0] ?? "command"} ${how}${last ? `: ${printable(last, 1024)}` : ""}`, options);
    this.argv = facts.argv;
    this.exitCode = facts.exitCode;
    this.signal = facts.signal;
    this.stderr = stderr;
  }
}
