import { ConfigError, type ConfigIssue } from "../errors/all.ts";

/** Whether it is an object of no class. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Checks that a caller's value is data at every depth: no schema sees what a map, a promise or an instance of a class
 * holds.
 *
 * @throws {ConfigError} with each object that is neither plain nor a list.
 */
export function assertPlain(value: unknown, subject: string): void {
  const issues = notPlain(value, [], new Set());
  if (issues.length > 0) throw new ConfigError(subject, issues);
}

/** `seen`: a value may contain itself. */
function notPlain(value: unknown, path: readonly (string | number)[], seen: Set<unknown>): readonly ConfigIssue[] {
  if (typeof value !== "object" || value === null || seen.has(value)) return [];
  seen.add(value);
  if (Array.isArray(value)) return value.flatMap((each, index) => notPlain(each, [...path, index], seen));
  if (isPlain(value)) {
    // zod leaves it out.
    if (Object.hasOwn(value, "__proto__"))
      return [{ path: [...path, "__proto__"], message: "no key can have this name: choose another" }];
    return Object.entries(value).flatMap(([key, each]) => notPlain(each, [...path, key], seen));
  }
  return [{ path, message: value instanceof Promise ? "is a promise: await it" : "must be a plain object" }];
}
