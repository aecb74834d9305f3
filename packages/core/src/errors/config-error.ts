import { InstanceError } from "./instance-error.ts";

/** One fault in a configuration or an argument: where it is, and what to do about it. */
export interface ConfigIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A configuration or an argument is invalid; nothing was touched. `issues` has every fault. */
export class ConfigError extends InstanceError {
  readonly code = "ERR_CONFIG";
  readonly issues: readonly ConfigIssue[];
  /** `subject` says what was checked: `"instance config"`, `"exec options"`. */
  constructor(subject: string, issues: readonly ConfigIssue[], options?: ErrorOptions) {
    super(
      `invalid ${subject}: ${issues.map((i) => (i.path.length > 0 ? `${i.path.join(".")}: ${i.message}` : i.message)).join("; ")}`,
      options,
    );
    this.issues = issues;
  }
}
