import { z } from "zod";

/** `schema` for what `prepare` makes of a value. zod would take a promise for the later result of `prepare`. */
export function prepared<S extends z.ZodType>(prepare: (value: unknown) => unknown, schema: S) {
  return z.preprocess((value, context) => {
    if (!(value instanceof Promise)) return prepare(value);
    context.addIssue({ code: "custom", message: "is a promise: await it" });
    return z.NEVER;
  }, schema);
}

/**
 * Accepts an object, or the value of its key `key` alone: `"10.0.0.2"` for `{ address: "10.0.0.2" }`. The result is
 * always the object.
 */
export function shorthand<S extends z.ZodObject, K extends string & keyof z.input<S>>(key: K, schema: S) {
  const whole = (value: unknown) => (typeof value === "object" && !Array.isArray(value) ? value : { [key]: value });
  // What is prepared accepts anything; the schema then refuses everything else.
  return prepared(whole, schema) as unknown as z.ZodType<z.output<S>, z.input<S> | z.input<S>[K]>;
}
