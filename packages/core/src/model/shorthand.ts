import { z } from "zod";

/**
 * Accepts an object, or the value of its key `key` alone: `"10.0.0.2"` for `{ address: "10.0.0.2" }`. The result is
 * always the object.
 */
export function shorthand<S extends z.ZodObject, K extends string & keyof z.input<S>>(key: K, schema: S) {
  const whole = (value: unknown) => (typeof value === "object" ? value : { [key]: value });
  // preprocess() accepts anything; the schema then refuses everything else.
  return z.preprocess(whole, schema) as unknown as z.ZodType<z.output<S>, z.input<S> | z.input<S>[K]>;
}
