import { printable } from "../text/printable.ts";
import type { InstanceExit, InstanceState } from "./state.ts";

/**
 * Every code that an error of this library can carry, with what it means to a caller. Codes are stable under
 * semantic versioning; messages are not. `docs/errors.md` is generated from this table.
 */
export const ERROR_CODES = {
  ERR_INSTANCE_NOT_FOUND:
    "There is no instance, image or network of that name; or, inside an instance, no such user, group or program.",
  ERR_INSTANCE_EXISTS: "The name is taken.",
  ERR_INSTANCE_IN_USE: "Instances use the image or network that was to be deleted; their names are a field.",
  ERR_INSTANCE_STATE: "The instance is in a state in which the call is not legal.",
  ERR_INSTANCE_UNSUPPORTED: "The driver, this host or this guest cannot do it; the reason is a field.",
  ERR_INSTANCE_CONFIG: "The configuration or an argument is invalid; every issue is listed with its path.",
  ERR_INSTANCE_HOST: "The host lacks something that the call needs; each missing thing carries its fix.",
  ERR_INSTANCE_COMMAND: "A tool of the host ended with a failure; argv, exit code and stderr are fields.",
  ERR_INSTANCE_PROTOCOL: "A peer (QMP, agent, registry) said something that its protocol does not allow.",
  ERR_INSTANCE_CONNECTION: "The connection to a peer broke or could not be made.",
  ERR_INSTANCE_TIMEOUT: "The deadline passed.",
  ERR_INSTANCE_OVERRUN: "A reader of `watch()` fell too far behind: events were lost, so look and watch anew.",
  ERR_INSTANCE_AGENT: "The agent in the guest refused or failed; its own code is a field.",
  ERR_INSTANCE_DRIVER:
    "The driver broke the promises that it makes to the engine; what it threw, if anything, is the cause. Tell its author.",
  ERR_INSTANCE_IMAGE: "An image is malformed, hostile or not what its digest says.",
  ERR_INSTANCE_FILE:
    "A file operation failed, inside the instance or on the host's end of a transfer; the system's error name is a field, `ENOENT` for a file that is not there.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

// Registered, so that two copies of this package in one process recognise each other's errors.
const BRAND = Symbol.for("@pileus/core/InstanceError");

// No message of ours is so long; one that quotes a stranger may be.
const MAX_MESSAGE = 8192;

/**
 * The root of all errors that this library makes. Cancellation is not one of them: see {@link Abortable}.
 *
 * A message is one printable line, whoever is quoted in it: a guest, an image, a registry, a tool. What could steer a
 * terminal or forge a line of a log is U+FFFD there. Fields hold the original text unless their
 * documentation says otherwise.
 */
export abstract class InstanceError extends Error {
  abstract readonly code: ErrorCode;
  /** What failed while the call undid what it had done. Absent where nothing did. */
  declare readonly cleanupFailures?: readonly unknown[];
  get [BRAND](): true {
    return true;
  }
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message, MAX_MESSAGE), options);
    this.name = new.target.name;
  }
}

/** Narrows an unknown value to an error of this library, and to one code if given. Works across copies of core. */
export function isInstanceError<C extends ErrorCode>(
  error: unknown,
  code?: C,
): error is InstanceError & { readonly code: C } {
  if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as InstanceError).code === code;
}

/** What was named does not exist. Of a file that does not exist a {@link FileError} tells. */
export class NotFoundError extends InstanceError {
  readonly code = "ERR_INSTANCE_NOT_FOUND";
  readonly kind: string;
  readonly subject: string;
  /** `kind` is the noun (`"instance"`, `"image"`), `subject` its name. */
  constructor(kind: string, subject: string, options?: ErrorOptions & { readonly hint?: string }) {
    super(`no ${kind} "${subject}"${options?.hint ? `: ${options.hint}` : ""}`, options);
    this.kind = kind;
    this.subject = subject;
  }
}

/** The name is taken: by an instance, by another definition of a network, by an interface of the machine. */
export class AlreadyExistsError extends InstanceError {
  readonly code = "ERR_INSTANCE_EXISTS";
  readonly kind: string;
  readonly subject: string;
  constructor(kind: string, subject: string, options?: ErrorOptions) {
    super(`${kind} "${subject}" exists already: choose another name or delete it first`, options);
    this.kind = kind;
    this.subject = subject;
  }
}

/** An image or a network cannot be deleted while instances use it. */
export class InUseError extends InstanceError {
  readonly code = "ERR_INSTANCE_IN_USE";
  readonly kind: string;
  readonly subject: string;
  /** The instances, by name. */
  readonly users: readonly string[];
  /** `kind` is the noun (`"image"`, `"network"`), `subject` its name. */
  constructor(kind: string, subject: string, users: readonly string[], options?: ErrorOptions) {
    super(`${kind} "${subject}" is used by ${users.join(", ")}: delete them first`, options);
    this.kind = kind;
    this.subject = subject;
    this.users = users;
  }
}

/**
 * The instance is in a state in which the call is not legal, or was deleted. `expected` are the states in which it is.
 */
export class StateError extends InstanceError {
  readonly code = "ERR_INSTANCE_STATE";
  readonly instance: string;
  readonly state: InstanceState | "deleted";
  /** Empty of an instance that was deleted. */
  readonly expected: readonly InstanceState[];
  /** How an instance that is stopped ended, where it has run. */
  readonly exit: InstanceExit | undefined;
  /** What it printed last, as it printed it: of one that ended unasked, with the capability `logs`. */
  readonly lastLines: string | undefined;
  constructor(
    facts: {
      readonly instance: string;
      readonly verb: string;
      readonly state: InstanceState | "deleted";
      readonly expected: readonly InstanceState[];
      readonly exit?: InstanceExit | undefined;
      readonly lastLines?: string | undefined;
    },
    options?: ErrorOptions,
  ) {
    const why =
      facts.state === "deleted" ? "it was deleted" : `it is ${facts.state}, and must be ${facts.expected.join(" or ")}`;
    const told = [why, ...describeEnd(facts.exit, facts.lastLines)].join("; ");
    super(`cannot ${facts.verb} instance "${facts.instance}": ${told}`, options);
    this.instance = facts.instance;
    this.state = facts.state;
    this.expected = facts.expected;
    this.exit = facts.exit;
    this.lastLines = facts.lastLines;
  }
}

/** How it ended and what it printed last, as far as either is known. */
function describeEnd(exit: InstanceExit | undefined, lastLines: string | undefined): readonly string[] {
  const status = exit?.reason === "requested" ? undefined : exit?.status;
  return [
    ...(status === undefined
      ? []
      : [status.kind === "exited" ? `it exited with ${status.code}` : `it was ended by ${status.signal}`]),
    ...(lastLines === undefined ? [] : [`it printed last: ${lastLines.split("\n").join(" | ")}`]),
  ];
}

/** The driver can never do it, or this host or this guest cannot do it now: `reason` says which. */
export class UnsupportedError extends InstanceError {
  readonly code = "ERR_INSTANCE_UNSUPPORTED";
  /** The capability, or what else cannot be had (`"logs:stderr"`). */
  readonly capability: string;
  readonly reason: string;
  constructor(facts: { readonly capability: string; readonly reason: string }, options?: ErrorOptions) {
    super(`${facts.capability} is not supported: ${facts.reason}`, options);
    this.capability = facts.capability;
    this.reason = facts.reason;
  }
}

/** One fault of a configuration or an argument: where it is, and what to do about it. */
export interface ConfigIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A configuration or an argument is invalid; nothing was touched. Every issue is in `issues`. */
export class ConfigError extends InstanceError {
  readonly code = "ERR_INSTANCE_CONFIG";
  readonly issues: readonly ConfigIssue[];
  /** `subject` says what was read: `"instance config"`, `"exec options"`. */
  constructor(subject: string, issues: readonly ConfigIssue[], options?: ErrorOptions) {
    super(
      `invalid ${subject}: ${issues.map((i) => (i.path.length > 0 ? `${i.path.join(".")}: ${i.message}` : i.message)).join("; ")}`,
      options,
    );
    this.issues = issues;
  }
}

/** One thing that the host lacks, and how to get it. */
export interface Missing {
  /** What is missing, as `doctor()` names it: `"binary:lxc-start"`, `"root"`, `"kvm"`. */
  readonly need: string;
  readonly reason: string;
  /** What a person can do: a command where there is one. */
  readonly fix: string;
}

/** The host lacks what a call needs: a tool, a right, a feature of the kernel. Each comes with its fix. */
export class HostError extends InstanceError {
  readonly code = "ERR_INSTANCE_HOST";
  readonly missing: readonly Missing[];
  constructor(action: string, missing: readonly Missing[], options?: ErrorOptions) {
    super(
      `cannot ${action} on this host: ${missing.map((m) => `${m.need} (${m.reason}; fix: ${m.fix})`).join("; ")}`,
      options,
    );
    this.missing = missing;
  }
}

/** A tool of the host failed, and nothing better is known of why. */
export class CommandError extends InstanceError {
  readonly code = "ERR_INSTANCE_COMMAND";
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** The last 4 KiB, as the tool wrote them: not for a terminal. */
  readonly stderr: string;
  constructor(
    facts: {
      readonly argv: readonly string[];
      readonly exitCode?: number | undefined;
      readonly signal?: NodeJS.Signals | undefined;
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

/** A peer, or a file that we keep, said something that its protocol does not allow. */
export class ProtocolError extends InstanceError {
  readonly code = "ERR_INSTANCE_PROTOCOL";
  /** The beginning of what the peer sent: at most 1 KiB, printable. */
  readonly received: string;
  constructor(message: string, received: string, options?: ErrorOptions) {
    super(message, options);
    this.received = printable(received, 1024);
  }
}

/** The connection to a peer broke, could not be made, or was let go because the host was disposed. */
export class ConnectionError extends InstanceError {
  readonly code = "ERR_INSTANCE_CONNECTION";
  readonly peer: string;
  constructor(peer: string, why: string, options?: ErrorOptions) {
    super(`connection to ${peer}: ${why}`, options);
    this.peer = peer;
  }
}

/** A deadline passed: the caller's, or a default that the call's documentation names. */
export class TimeoutError extends InstanceError {
  readonly code = "ERR_INSTANCE_TIMEOUT";
  /** Milliseconds. */
  readonly timeout: number;
  constructor(action: string, timeout: number, options?: ErrorOptions & { readonly hint?: string }) {
    super(`${action} did not finish within ${timeout} ms${options?.hint ? `: ${options.hint}` : ""}`, options);
    this.timeout = timeout;
  }
}

/** A reader of events fell so far behind that some would have been lost silently. */
export class OverrunError extends InstanceError {
  readonly code = "ERR_INSTANCE_OVERRUN";
  /** The most events that a reader may be behind. */
  readonly limit: number;
  constructor(limit: number, options?: ErrorOptions) {
    super(`a watcher fell more than ${limit} events behind: look anew at what it watches, and read faster`, options);
    this.limit = limit;
  }
}

/** The agent in a guest refused a call or failed in it. */
export class AgentError extends InstanceError {
  readonly code = "ERR_INSTANCE_AGENT";
  /** The guest's own word for it, such as an errno name. */
  readonly reason: string;
  constructor(message: string, reason: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** An image is malformed or hostile, or its content differs from its digest. */
export class ImageError extends InstanceError {
  readonly code = "ERR_INSTANCE_IMAGE";
  readonly image: string;
  constructor(image: string, why: string, options?: ErrorOptions) {
    super(`image ${image}: ${why}`, options);
    this.image = image;
  }
}

/**
 * A file operation failed, inside an instance or on the host's end of a push or pull. `errno` is the system's name
 * (`ENOENT`, `EACCES`, `EISDIR` …).
 */
export class FileError extends InstanceError {
  readonly code = "ERR_INSTANCE_FILE";
  /** For people: each character that is not printable, and each byte that is no UTF-8, is U+FFFD. */
  readonly path: string;
  readonly errno: string;
  /** What else is known of why. */
  readonly detail?: string;
  constructor(
    facts: { readonly verb: string; readonly path: string; readonly errno: string; readonly detail?: string },
    options?: ErrorOptions,
  ) {
    super(`cannot ${facts.verb} ${facts.path}: ${facts.errno}${facts.detail ? `: ${facts.detail}` : ""}`, options);
    this.path = printable(facts.path);
    this.errno = facts.errno;
    if (facts.detail !== undefined) this.detail = printable(facts.detail);
  }
}

/** A driver failed in a way that the driver interface does not allow, or answered something else than it promises. */
export class DriverError extends InstanceError {
  readonly code = "ERR_INSTANCE_DRIVER";
  readonly driver: string;
  readonly instance: string;
  /** The step of the driver interface: `"launch"`, `"files.read"`. */
  readonly step: string;
  constructor(
    facts: { readonly driver: string; readonly instance: string; readonly step: string; readonly why: string },
    options?: ErrorOptions,
  ) {
    super(`driver "${facts.driver}", ${facts.step} of instance "${facts.instance}": ${facts.why}`, options);
    this.driver = facts.driver;
    this.instance = facts.instance;
    this.step = facts.step;
  }
}
