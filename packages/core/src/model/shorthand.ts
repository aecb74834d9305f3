import { z } from "zod";

/**
 * An object for which the value of its key `key` can stand alone: `"10.0.0.2"` for `{ address: "10.0.0.2" }`. Always
 * becomes the object.
 */
export function shorthand<S extends z.ZodObject, K extends string & keyof z.input<S>>(key: K, schema: S) {
  const whole = (value: unknown) => (typeof value === "object" ? value : { [key]: value });
  // preprocess() takes anything; what is not one of these two, the schema refuses.
  return z.preprocess(whole, schema) as unknown as z.ZodType<z.output<S>, z.input<S> | z.input<S>[K]>;
}
