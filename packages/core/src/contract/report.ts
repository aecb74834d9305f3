import type { Missing } from "../errors/all.ts";

/** What a driver finds on this host. */
export interface HostReport {
  /** Whether instances can be created and started. */
  readonly usable: boolean;
  /** What the host lacks. Empty exactly when `usable`. */
  readonly missing: readonly Missing[];
  /** Facts worth knowing, in the order to print them: versions, the accelerator in use and why, the cgroup layout. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}
