import { z } from "zod";
import { objectAs } from "./wording.ts";

/** An `AbortSignal` of any realm. */
export const SignalSchema = z.custom<AbortSignal>(isSignal, {
  error: ({ input }) =>
    typeof input === "object" && input !== null && "signal" in input
      ? "must be an AbortSignal: pass the controller's signal"
      : typeof input === "string"
        ? "must be an AbortSignal; the name of a signal is for kill() of the process that exec() returns"
        : "must be an AbortSignal",
});

/** Checks {@link ProgressOptions.onProgress}. */
export const ProgressListenerSchema = z.custom<(...told: never[]) => void>(
  (value) => typeof value === "function",
  "must be a function",
);

/** Checks the options of every call. `example` says what to write when they are not an object. */
export function abortableSchema(example: string) {
  return z.looseObject({ signal: SignalSchema.optional() }, objectAs(example));
}

/** The options of a call that takes nothing else: an unknown one is a mistake. */
export const AbortableSchema = z.strictObject({ signal: SignalSchema.optional() }, objectAs("{ signal }"));

function isSignal(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { throwIfAborted, addEventListener } = value as Partial<AbortSignal>;
  return typeof throwIfAborted === "function" && typeof addEventListener === "function";
}
