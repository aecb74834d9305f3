/**
 * Writes nanoseconds since the epoch as a pax time (pax(1), "mtime"): a decimal of seconds without trailing zeros.
 */
export function mtimeText(nanoseconds: bigint): string {
  const sign = nanoseconds < 0n ? "-" : "";
  const digits = String(nanoseconds < 0n ? -nanoseconds : nanoseconds).padStart(10, "0");
  const places = digits.slice(-9).replace(/0+$/, "");
  return `${sign}${digits.slice(0, -9)}${places === "" ? "" : `.${places}`}`;
}

/** The reverse; digits beyond nanoseconds are cut. */
export function mtimeNanoseconds(text: string): bigint {
  const [, sign, seconds = "0", places = ""] = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text) ?? [];
  const nanoseconds = BigInt(seconds + places.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -nanoseconds : nanoseconds;
}

/** Nanoseconds as milliseconds, which a number holds to a quarter of a microsecond: those that are whole stay so. */
export function mtimeMilliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n) + Number(nanoseconds % 1_000_000n) / 1e6;
}
