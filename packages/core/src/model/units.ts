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
    const written = typeof value === "number" ? value : JSON.stringify(value.slice(0, 40));
    context.addIssue({
      code: "custom",
      message: `${written} is not a size: write bytes, or a number with one of the units ${Object.keys(FACTORS).join(" ")}, as in "256MiB", or with one of ${[...DOCKER_UNITS].join(" ")} (powers of 1024), as in "256m"`,
    });
    return z.NEVER;
  });
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
