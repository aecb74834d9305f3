import { z } from "zod";
import type { SchemaWords } from "./wording.ts";

/**
 * An object whose keys the caller chooses. Refuses the one key that z.record() silently leaves out: a name that an object
 * cannot keep.
 */
export function recordOf<K extends z.ZodType<string, string>, V extends z.ZodType>(
  key: K,
  value: V,
  words?: SchemaWords,
) {
  const kept = z.preprocess(
    (given, context) => {
      if (typeof given !== "object" || given === null || !Object.hasOwn(given, "__proto__")) return given;
      context.addIssue({ code: "custom", path: ["__proto__"], message: "no key can have this name: choose another" });
      return z.NEVER;
    },
    z.record(key, value, words),
  );
  return kept as unknown as z.ZodType<Readonly<Record<string, z.output<V>>>, Readonly<Record<string, z.input<V>>>>;
}
