/** The values of one QEMU option; those that are `undefined` are left out. */
export type OptionValues = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Writes QEMU's `driver,key=value,…` form. This is the only place that builds one. A comma in a value is written twice
 * (qemu(1), "-drive": "to use a comma in a file name"); no other character has a meaning there.
 *
 * @throws {TypeError} when a value holds a NUL, which no argument can carry.
 */
export function renderOption(first: string | undefined, values: OptionValues): string {
  const parts = first === undefined ? [] : [doubleCommas(first)];
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    parts.push(`${key}=${doubleCommas(typeof value === "boolean" ? (value ? "on" : "off") : String(value))}`);
  }
  return parts.join(",");
}

function doubleCommas(value: string): string {
  if (value.includes("\0")) throw new TypeError("an argument cannot contain NUL");
  return value.replaceAll(",", ",,");
}
