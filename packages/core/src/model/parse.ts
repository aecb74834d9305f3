import type { z } from "zod";
import { ConfigError, type ConfigIssue } from "../errors/all.ts";
import { nearest } from "./nearest.ts";
import { discriminatorsAt, keysAt, valueAt } from "./schema-keys.ts";
import { wording } from "./wording.ts";

/**
 * What to write instead of keys that other libraries have, or that belong to another argument: a hint by key, or by path
 * as in `limits.pids`. Case, `-` and `_` do not count. `*` stands for one step of a path, as in `devices.*.mac`.
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

type Path = readonly (string | number)[];

/** What is checked. */
interface Checked {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly hints: KeyHints;
}

function configIssues(checked: Checked, issue: z.core.$ZodIssue): ConfigIssue[] {
  const { schema, value, hints } = checked;
  const path = asWritten(issue.path, value);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(checked, path, key) }));
    case "invalid_key":
      return [{ path, message: issue.issues.map((inner) => inner.message).join("; ") }];
    case "invalid_union": {
      // Only a union that is told apart by a key has no issues of its members.
      const known = issue.errors.length === 0 ? discriminatorsAt(schema, value, path.slice(0, -1)) : [];
      if (known.length > 0) return [{ path, message: discriminator(path, value, known, hintFor(path, hints)) }];
      const given = valueAt(value, path);
      const inner = issue.errors.find((issues) => !issues.some((one) => isOfOtherType(one, given)));
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
function discriminator(path: Path, value: unknown, known: readonly string[], hint: string | undefined): string {
  const choices = known.map((one) => `"${one}"`).join(" or ");
  if (valueAt(value, path) === undefined) return `is missing: write ${path.at(-1)}: ${choices}`;
  return `must be ${choices}${hint === undefined ? "" : `; ${hint}`}`;
}

/** Whether a member of a union is for values of another type. */
function isOfOtherType(issue: z.core.$ZodIssue, given: unknown): boolean {
  if (issue.path.length > 0) return false;
  // A list of words, for an object.
  const isObject = typeof given === "object" && given !== null;
  return issue.code === "invalid_type" || (issue.code === "invalid_value" && isObject);
}

function unknownKey({ schema, value, hints }: Checked, path: Path, key: string): string {
  const known = keysAt(schema, value, path);
  const parent = known.find((name) => keysAt(schema, value, [...path, name]).includes(key));
  if (parent !== undefined) return `unknown key; it belongs in ${parent}: write ${parent}: { ${key} }`;
  const otherwise = known.find((name) => plain(name) === plain(key));
  if (otherwise !== undefined) return `unknown key; did you mean "${otherwise}"?`;
  const hint = hintFor([...path, key], hints);
  if (hint !== undefined) return `unknown key; ${hint}`;
  const [section] = path;
  const outside = path.length === 1 && keysAt(schema, value, []).includes(key);
  if (outside) return `unknown key; it belongs beside ${section}: write ${key}, ${section}: { … }`;
  const guess = nearest(key, known);
  if (guess !== undefined) return `unknown key; did you mean "${guess}"?`;
  return known.length > 0 ? `unknown key; known keys: ${known.join(", ")}` : "unknown key";
}

/** A key as it is compared with others. */
function plain(key: string): string {
  return key.replace(/[-_]/g, "").toLowerCase();
}

function hintFor(path: Path, hints: KeyHints): string | undefined {
  const within = path.slice(0, -1).map((_, step) => path.with(step, "*"));
  const spellings = [path, ...within].map((steps) => plain(steps.join(".")));
  return Object.entries(hints).find(([key]) => spellings.includes(plain(key)))?.[1];
}
