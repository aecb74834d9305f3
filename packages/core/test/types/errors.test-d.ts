/** The promises that errors make in types. Checked by `tsc -p tsconfig.test.json`; nothing here runs. */
import { expectTypeOf } from "vitest";
import {
  type ErrorCode,
  type ErrorsByCode,
  type InstanceError,
  InUseError,
  isInstanceError,
  NotFoundError,
  type StateError,
  type TimeoutError,
} from "../../src/index.ts";

expectTypeOf<keyof ErrorsByCode>().toEqualTypeOf<ErrorCode>();
// Each is an error of ours that carries its code.
expectTypeOf<{ [C in ErrorCode]: ErrorsByCode[C] & { readonly code: C } }>().toExtend<{
  [C in ErrorCode]: ErrorsByCode[C] & InstanceError;
}>();
expectTypeOf<ErrorsByCode[ErrorCode]["code"]>().toEqualTypeOf<ErrorCode>();

export function narrowing(error: unknown) {
  if (isInstanceError(error, "ERR_TIMEOUT")) {
    expectTypeOf(error).toEqualTypeOf<TimeoutError>();
    expectTypeOf(error.timeout).toEqualTypeOf<number>();
  }
  if (isInstanceError(error, "ERR_INSTANCE_STATE")) expectTypeOf(error).toExtend<StateError>();
  if (isInstanceError(error, "ERR_IMAGE_NOT_FOUND")) {
    expectTypeOf(error).toExtend<NotFoundError>();
    expectTypeOf(error.kind).toEqualTypeOf<"image">();
    expectTypeOf(error.code).toEqualTypeOf<"ERR_IMAGE_NOT_FOUND">();
    expectTypeOf(error.subject).toEqualTypeOf<string>();
  }
  if (isInstanceError(error, "ERR_NETWORK_IN_USE")) {
    expectTypeOf(error).toExtend<InUseError>();
    expectTypeOf(error.users).toEqualTypeOf<readonly string[]>();
  }
  if (isInstanceError(error, "ERR_USER_NOT_FOUND", "ERR_GROUP_NOT_FOUND"))
    expectTypeOf(error.kind).toEqualTypeOf<"user" | "group">();
  // @ts-expect-error an error of one code does not have the fields of another
  if (isInstanceError(error, "ERR_TIMEOUT")) error.issues;
  // @ts-expect-error not a code of ours
  isInstanceError(error, "ERR_OTHER");
}

/** Without a code, `error.code` tells the errors apart. */
export function switching(error: unknown) {
  if (!isInstanceError(error)) return undefined;
  switch (error.code) {
    case "ERR_CONFIG":
      return error.issues.length;
    case "ERR_HOST_FILE_NOT_FOUND":
      return error.kind satisfies "host file";
    default:
      // @ts-expect-error these two are done with
      return error.code satisfies "ERR_CONFIG";
  }
}

export function byClass(error: unknown) {
  if (error instanceof NotFoundError) expectTypeOf(error.kind).not.toBeAny();
  if (error instanceof InUseError) expectTypeOf(error.kind).toEqualTypeOf<"image" | "network" | "device">();
  // @ts-expect-error what has no code cannot be missing
  new NotFoundError("unicorn", "x");
}
