import type { z } from "zod";

/**
 * The message of an issue, in the words of this library. A schema's own message takes precedence. Only a short string
 * of `input` is quoted, because the input can be of any size.
 */
export function wording(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${noun(issue.expected)}, ${given(issue.input)}${correction(issue.expected, issue.input)}`;
    case "invalid_value":
      return `must be ${either(issue.values.map((value) => JSON.stringify(value)))}`;
    case "invalid_format":
      return `must be ${FORMATS[issue.format] ?? `in another format${issue.pattern ? `: ${issue.pattern}` : ""}`}`;
    case "too_small":
      return `must ${bound(issue.origin, issue.inclusive === true ? "or more" : "more than", issue.minimum)}`;
    case "too_big":
      return `must ${bound(issue.origin, issue.inclusive === true ? "or less" : "less than", issue.maximum)}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "unrecognized_keys":
      return `has an unknown key: ${issue.keys.join(", ")}`;
    case "invalid_union":
      return `must be ${alternatives(issue.errors)}, ${given(issue.input)}`;
    case "invalid_key":
    case "invalid_element":
      return issue.issues.map(({ message }) => message).join("; ");
    default:
      return "is not valid";
  }
}

/** The second argument of a zod schema: the words for its issues. */
export interface SchemaWords {
  /** The text for an issue; `undefined` leaves it to zod. */
  readonly error: (issue: z.core.$ZodRawIssue) => string | undefined;
}

/** The parameter of a schema for a required key: says what to write when the key is missing. */
export function required(example: string): SchemaWords {
  return {
    error: ({ code, input }) => (code === "invalid_type" && input === undefined ? `is missing: ${example}` : undefined),
  };
}

/** The same for an object: says what to write instead of another type. */
export function objectAs(example: string): SchemaWords {
  return {
    error: ({ code, input }) =>
      code === "invalid_type" ? `must be an object, ${given(input)}: write ${example}` : undefined,
  };
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  bigint: "a bigint",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
  function: "a function",
  undefined: "left out",
  null: "null",
};

const FORMATS: Readonly<Record<string, string>> = {
  ipv4: "an IPv4 address, as in 10.0.0.2",
  ipv6: "an IPv6 address, as in fd00::2",
  cidrv4: "an IPv4 address and the length of its prefix, as in 10.0.0.1/24",
  cidrv6: "an IPv6 address and the length of its prefix, as in fd00::1/64",
  url: "a URL",
};

function noun(type: string): string {
  return NOUNS[type] ?? type;
}

/** What was given instead, as in `but is a list`. */
export function given(input: unknown): string {
  if (input === undefined) return "but is missing";
  if (input === null) return "but is null";
  if (Array.isArray(input)) return "but is a list";
  if (input instanceof Promise) return "but is a promise: await it";
  return `but is ${typeof input === "number" || typeof input === "boolean" ? String(input) : noun(typeof input)}`;
}

const LONGEST_QUOTE = 60;

/** What the caller most likely means, when a value has the wrong type. */
function correction(expected: string, input: unknown): string {
  if (expected === "string" && (Number.isFinite(input) || typeof input === "boolean")) return `: write "${input}"`;
  if (typeof input !== "string" || input.length > LONGEST_QUOTE) return "";
  if (expected === "array") return /\s/.test(input) ? "" : `: write [${JSON.stringify(input)}]`;
  const isNumber = input !== "" && String(Number(input)) === input && Number.isFinite(Number(input));
  if ((expected === "number" || expected === "int") && isNumber) return `: write ${input}`;
  if (expected === "boolean" && (input === "true" || input === "false")) return `: write ${input}`;
  return "";
}

/** The types that the members of a union accept. */
function alternatives(errors: readonly (readonly z.core.$ZodIssue[])[]): string {
  const types = errors.flatMap((issues) =>
    issues.flatMap((issue) => (issue.code === "invalid_type" && issue.path.length === 0 ? [noun(issue.expected)] : [])),
  );
  return types.length > 0 ? either([...new Set(types)]) : "written otherwise";
}

function either(choices: readonly string[]): string {
  return choices.join(" or ");
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  const number = relation.startsWith("or ") ? `${limit} ${relation}` : `${relation} ${limit}`;
  if (origin === "string") return `have ${number} characters`;
  if (origin === "array") return `have ${number} items`;
  return `be ${number}`;
}
