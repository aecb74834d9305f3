/** The keys of a configuration whose own keys are the caller's. */
export const RECORDS: readonly string[] = ["env", "labels"];

/** The keys that lead to what a plan names: `limits.memory`. Those of variables and labels may have dots. Pure. */
export function keysOf(path: string): readonly string[] {
  const [key = ""] = path.split(".", 1);
  return RECORDS.includes(key) && key !== path ? [key, path.slice(key.length + 1)] : path.split(".");
}
