import { InstanceError } from "./instance-error.ts";

/** Another process, or another stream of this one, writes to the console. */
export class ConsoleBusyError extends InstanceError {
  readonly code = "ERR_CONSOLE_BUSY";
  readonly instance: string;
  /** The process of this host that writes. */
  readonly pid: number;
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  constructor(
    facts: { readonly instance: string; readonly pid: number; readonly since: number },
    options?: ErrorOptions,
  ) {
    const since = new Date(facts.since).toISOString();
    super(
      `cannot write to the console of instance "${facts.instance}": process ${facts.pid} has written to it since ${since}; console({ take: true }) takes over`,
      options,
    );
    this.instance = facts.instance;
    this.pid = facts.pid;
    this.since = facts.since;
  }
}
