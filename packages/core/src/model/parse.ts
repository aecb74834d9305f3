import type { z } from "zod";
import { ConfigError, type ConfigIssue } from "../contract/errors.ts";
import { nearest } from "./nearest.ts";
import { discriminatorsAt, keysAt, valueAt } from "./schema-keys.ts";
import { wording } from "./wording.ts";

/**
 * Checks a value of a caller. `subject` says what it is, as in `"instance config"`. @throws {ConfigError} with every
 * issue; an unknown key comes with the nearest known one.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, subject: string): z.output<S> {
  const parsed = schema.safeParse(value, { error: wording });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    subject,
    parsed.error.issues.flatMap((issue) => configIssues(schema, value, issue)),
    { cause: parsed.error },
  );
}

function configIssues(schema: z.ZodType, value: unknown, issue: z.core.$ZodIssue): ConfigIssue[] {
  const path = asWritten(issue.path, value);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = keysAt(schema, value, path);
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known) }));
    }
    case "invalid_key":
      return [{ path, message: issue.issues.map((inner) => inner.message).join("; ") }];
    case "invalid_union": {
      const known = discriminatorsAt(schema, value, path.slice(0, -1));
      if (known.length > 0) return [{ path, message: discriminator(path, value, known) }];
      const inner = issue.errors.find((issues) => !issues.some(isOfOtherType));
      const within = inner?.map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
      return within?.flatMap((one) => configIssues(schema, value, one)) ?? [{ path, message: issue.message }];
    }
    default:
      return [{ path, message: issue.message }];
  }
}

/** The part of an issue's path that the caller wrote: a shorthand for an object has no keys. */
function asWritten(path: readonly PropertyKey[], value: unknown): (string | number)[] {
  const written: (string | number)[] = [];
  let here = value;
  for (const key of path) {
    if (here !== undefined && typeof here !== "object") break;
    written.push(typeof key === "symbol" ? String(key) : key);
    here = (here as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  return written;
}

/** What to write for the key that tells the members of a union apart. */
function discriminator(path: readonly (string | number)[], value: unknown, known: readonly string[]): string {
  const choices = known.map((one) => `"${one}"`).join(" or ");
  return valueAt(value, path) === undefined ? `is missing: write ${path.at(-1)}: ${choices}` : `must be ${choices}`;
}

/** Whether a member of a union is for values of another type. */
function isOfOtherType(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" && issue.path.length === 0;
}

function unknownKey(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  if (guess !== undefined) return `unknown key; did you mean "${guess}"?`;
  return known.length > 0 ? `unknown key; known keys: ${known.join(", ")}` : "unknown key";
}
