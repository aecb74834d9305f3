/**
 * Nests the keys of an object that an early release wrote: `{ "ipv4.address": a }` becomes `{ ipv4: { address: a } }`.
 * For files of ours, before a schema reads them. Other values and keys are returned unchanged.
 */
export function nestKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const nested: Record<string, Record<string, unknown>> = {};
  const others = Object.entries(value).filter(([key, content]) => {
    const [, outer, inner] = /^([a-z0-9]+)\.([a-z]+)$/.exec(key) ?? [];
    if (outer === undefined || inner === undefined) return true;
    nested[outer] = { ...nested[outer], [inner]: content };
    return false;
  });
  return { ...nested, ...Object.fromEntries(others) };
}
