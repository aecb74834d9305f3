import type { Capability } from "../../contract/capability.ts";
import { UnsupportedError } from "../../errors/all.ts";

/** An operation that a driver must have for a capability. @throws {UnsupportedError} when it lacks it */
export function implemented<T>(operation: T | undefined, capability: Capability): T {
  if (operation !== undefined) return operation;
  throw new UnsupportedError({ capability, reason: "the driver declares it but does not implement it" });
}
