import type { z } from "zod";
import { ConfigError, type ConfigIssue } from "../contract/errors.ts";
import { nearest } from "./nearest.ts";
import { discriminatorsAt, keysAt, valueAt } from "./schema-keys.ts";
import { wording } from "./wording.ts";

/**
 * What to write instead of keys that other libraries have, or that belong to another argument: a hint by key, or by path
 * as in `limits.pids`. Case, `-` and `_` do not count.
 */
export type KeyHints = Readonly<Record<string, string>>;

/**
 * Checks a value of a caller. `subject` says what it is, as in `"instance config"`. `hints` are for its unknown
 * keys.
 *
 * @throws {ConfigError} with every issue. An unknown key comes with the place it belongs to, its hint, or the nearest
 * known key.
 */
export function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  subject: string,
  hints: KeyHints = {},
): z.output<S> {
  const parsed = schema.safeParse(value, { error: wording });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    subject,
    parsed.error.issues.flatMap((issue) => configIssues({ schema, value, hints }, issue)),
    { cause: parsed.error },
  );
}

/** What is checked. */
interface Checked {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly hints: KeyHints;
}

function configIssues(checked: Checked, issue: z.core.$ZodIssue): ConfigIssue[] {
  const { schema, value } = checked;
  const path = asWritten(issue.path, value);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(checked, path, key) }));
    case "invalid_key":
      return [{ path, message: issue.issues.map((inner) => inner.message).join("; ") }];
    case "invalid_union": {
      const known = discriminatorsAt(schema, value, path.slice(0, -1));
      if (known.length > 0) return [{ path, message: discriminator(path, value, known) }];
      const inner = issue.errors.find((issues) => !issues.some(isOfOtherType));
      const within = inner?.map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
      return within?.flatMap((one) => configIssues(checked, one)) ?? [{ path, message: issue.message }];
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

function unknownKey({ schema, value, hints }: Checked, path: readonly (string | number)[], key: string): string {
  const known = keysAt(schema, value, path);
  const parent = known.find((name) => keysAt(schema, value, [...path, name]).includes(key));
  if (parent !== undefined) return `unknown key; it belongs in ${parent}: write ${parent}: { ${key} }`;
  const hint = hintFor([...path, key].join("."), hints);
  if (hint !== undefined) return `unknown key; ${hint}`;
  const guess = nearest(key, known);
  if (guess !== undefined) return `unknown key; did you mean "${guess}"?`;
  return known.length > 0 ? `unknown key; known keys: ${known.join(", ")}` : "unknown key";
}

function hintFor(written: string, hints: KeyHints): string | undefined {
  const plain = (key: string) => key.replace(/[-_]/g, "").toLowerCase();
  return Object.entries(hints).find(([key]) => plain(key) === plain(written))?.[1];
}
