/** Every error class of this library, by subject, and the error codes. */
export { ERROR_CODES, type ErrorCode, type ErrorMeaning } from "./errors/codes.ts";
export * from "./errors/config-error.ts";
export * from "./errors/content-errors.ts";
export * from "./errors/driver-error.ts";
export * from "./errors/host-errors.ts";
export { InstanceError } from "./errors/instance-error.ts";
export { type ErrorsByCode, isInstanceError } from "./errors/is-instance-error.ts";
export * from "./errors/named-errors.ts";
export * from "./errors/peer-errors.ts";
export * from "./errors/run-error.ts";
export * from "./errors/state-error.ts";
export * from "./errors/time-errors.ts";
