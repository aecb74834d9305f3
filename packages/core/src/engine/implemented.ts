import type { Capability } from "../contract/capability.ts";
import { UnsupportedError } from "../contract/errors.ts";

/** What a driver promised with a capability. @throws {UnsupportedError} when it broke the promise */
export function implemented<T>(operation: T | undefined, capability: Capability): T {
  if (operation !== undefined) return operation;
  throw new UnsupportedError({ capability, reason: "its driver declares it and does not have it" });
}
