/** Every error class of this library, by subject, and the error codes. */
export { ERROR_CODES, type ErrorCode, type ErrorMeaning } from "./codes.ts";
export * from "./config-error.ts";
export * from "./console-busy-error.ts";
export * from "./content-errors.ts";
export * from "./driver-error.ts";
export * from "./host-errors.ts";
export { InstanceError } from "./instance-error.ts";
export { type ErrorsByCode, isInstanceError } from "./is-instance-error.ts";
export * from "./named-errors.ts";
export * from "./peer-errors.ts";
export * from "./run-error.ts";
export * from "./state-error.ts";
export * from "./time-errors.ts";
