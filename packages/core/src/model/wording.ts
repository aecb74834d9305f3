import type { z } from "zod";

/**
 * What is wrong with a value, in the words of this library's errors; `undefined` leaves it to the schema's own. `input`
 * is never quoted: it can be of any size.
 */
export function wording(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${NOUNS[issue.expected] ?? issue.expected}, ${given(issue.input)}`;
    case "invalid_value":
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "too_small":
      return `must ${bound(issue.origin, issue.inclusive === true ? "or more" : "more than", issue.minimum)}`;
    case "too_big":
      return `must ${bound(issue.origin, issue.inclusive === true ? "or less" : "less than", issue.maximum)}`;
    default:
      return undefined;
  }
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
};

function given(input: unknown): string {
  if (input === undefined) return "and is missing";
  if (input === null) return "and is null";
  if (Array.isArray(input)) return "and is a list";
  return `and is ${typeof input === "number" ? String(input) : (NOUNS[typeof input] ?? `a ${typeof input}`)}`;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  const number = relation.startsWith("or ") ? `${limit} ${relation}` : `${relation} ${limit}`;
  if (origin === "string") return `have ${number} characters`;
  if (origin === "array") return `have ${number} items`;
  return `be ${number}`;
}
