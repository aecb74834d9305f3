import { InstanceError } from "./instance-error.ts";

/** A driver failed in a way that the driver interface does not allow, or returned an answer that breaks it. */
export class DriverError extends InstanceError {
  readonly code = "ERR_DRIVER";
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
