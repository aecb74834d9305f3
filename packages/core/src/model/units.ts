import { z } from "zod";

const FACTORS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
/** One letter in either case, a power of 1024: the units of `docker run --memory` (go-units, size.go, RAMInBytes). */
const DOCKER_UNITS = "bkmgt";
const UNITS = `${Object.keys(FACTORS).join(" ")}, and ${[...DOCKER_UNITS].join(" ")} for powers of 1024`;

/**
 * A size: bytes, or a number with one of the units B kB MB GB TB KiB MiB GiB TiB (`"256MiB"`), or with a unit of Docker
 * (`"256m"`). The result is bytes. The units are those of IEC 80000-13, in the spelling of Incus.
 */
export const BytesSchema = sizeOf(1);
/** Bytes. */
export type Bytes = z.output<typeof BytesSchema>;
/** What {@link BytesSchema} reads: bytes, or a number with its unit. */
export type BytesInput = z.input<typeof BytesSchema>;

/** A size that may be 0. */
export const BytesOrNoneSchema = sizeOf(0);

function sizeOf(least: number) {
  return z.union([z.number(), z.string()]).transform((value, context): number => {
    const bytes = typeof value === "number" ? value : parseBytes(value);
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= least) return bytes;
    context.addIssue({ code: "custom", message: notASize(value, bytes, least) });
    return z.NEVER;
  });
}

function notASize(value: number | string, bytes: number | undefined, least: number): string {
  if (typeof value === "number") return `${value} is not a size: write a whole number of bytes, ${least} or more`;
  const refused = `${JSON.stringify(value.slice(0, 40))} is not a size`;
  if (bytes !== undefined) return `${refused}: it must be ${least} or more bytes, and less than 8 PiB`;
  const [, amount, letter] = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgt])i?b?$/i.exec(value.trim()) ?? [];
  if (letter !== undefined) {
    const prefix = letter.toUpperCase();
    return `${refused}: write "${amount}${prefix}iB" (powers of 1024) or "${amount}${prefix === "K" ? "k" : prefix}B" (powers of 1000)`;
  }
  if (/^\d{1,15}$/.test(value.trim())) return `${refused}: write the number ${Number(value)} for bytes, or add a unit`;
  return `${refused}: write "256MiB", "256m" or a number of bytes; the units are ${UNITS}`;
}

function parseBytes(text: string): number | undefined {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?) ?(\w{1,3})$/.exec(text.trim()) ?? [];
  const factor = Object.hasOwn(FACTORS, unit) ? FACTORS[unit] : dockerFactor(unit);
  return factor === undefined ? undefined : Math.round(Number(amount) * factor);
}

function dockerFactor(unit: string): number | undefined {
  const power = unit.length === 1 ? DOCKER_UNITS.indexOf(unit.toLowerCase()) : -1;
  return power < 0 ? undefined : 1024 ** power;
}
