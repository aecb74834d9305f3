import type { InstanceExit, InstanceState } from "../terms/state.ts";
import { InstanceError } from "./instance-error.ts";
import { quoteLastLines } from "./last-lines.ts";

/**
 * The instance is in a state in which the call is not legal, or was deleted. `expected` has the states in which the
 * call is legal.
 */
export class StateError extends InstanceError {
  readonly code = "ERR_INSTANCE_STATE";
  readonly instance: string;
  readonly state: InstanceState | "deleted";
  /** Empty when the instance was deleted or has expired, and when a kill or a deletion has overtaken the call. */
  readonly expected: readonly InstanceState[];
  /** How a stopped instance ended, if it has run. */
  readonly exit: InstanceExit | undefined;
  /** The last lines that it printed, unfiltered. Only when it ended by itself and has the capability `logs`. */
  readonly lastLines: string | undefined;
  /** When the lifetime of an expired instance ended, in milliseconds since the epoch. It cannot be started again. */
  readonly expiresAt: number | undefined;
  constructor(
    facts: {
      readonly instance: string;
      readonly verb: string;
      readonly state: InstanceState | "deleted";
      readonly expected: readonly InstanceState[];
      readonly exit?: InstanceExit | undefined;
      readonly lastLines?: string | undefined;
      readonly expiresAt?: number | undefined;
      /** A kill or a deletion has overtaken the call. */
      readonly overtaken?: boolean | undefined;
      /** It was created, and not started yet. */
      readonly neverRan?: boolean | undefined;
    },
    options?: ErrorOptions,
  ) {
    const told = [describeRefusal(facts), ...describeEnd(facts.exit, facts.lastLines)].join("; ");
    super(`cannot ${facts.verb} instance "${facts.instance}": ${told}`, options);
    this.instance = facts.instance;
    this.state = facts.state;
    this.expected = facts.expected;
    this.exit = facts.exit;
    this.lastLines = facts.lastLines;
    this.expiresAt = facts.expiresAt;
  }
}

function describeRefusal(
  facts: Pick<StateError, "state" | "expected"> & {
    readonly expiresAt?: number | undefined;
    readonly overtaken?: boolean | undefined;
    readonly neverRan?: boolean | undefined;
  },
): string {
  if (facts.overtaken) return "another call, which kills or deletes it, has overtaken this one";
  if (facts.state === "deleted") return "it was deleted";
  if (facts.expiresAt !== undefined) return `its lifetime ended at ${new Date(facts.expiresAt).toISOString()}`;
  if (facts.neverRan) return "it has never run: start() it";
  const cure = facts.state === "stopped" && facts.expected.includes("running") ? ": start() it" : "";
  return `it is ${facts.state} and must be ${facts.expected.join(" or ")}${cure}`;
}

/** Nothing but a filter sends SIGSYS, and only its own program could print why. */
function whySignal(signal: string): string {
  return signal === "SIGSYS" ? ": it made a system call that its seccomp profile refuses" : "";
}

/** How the instance ended and what it printed last, as far as known. */
function describeEnd(exit: InstanceExit | undefined, lastLines: string | undefined): readonly string[] {
  const status = exit?.reason === "requested" ? undefined : exit?.status;
  return [
    ...(status === undefined
      ? []
      : [
          status.kind === "exited"
            ? `it exited with ${status.code}`
            : `it was ended by ${status.signal}${whySignal(status.signal)}`,
        ]),
    ...quoteLastLines(lastLines),
  ];
}
