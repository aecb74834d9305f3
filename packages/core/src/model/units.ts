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

/**
 * A size: bytes, or a number with one of the units B kB MB GB TB KiB MiB GiB TiB (`"256MiB"`). Becomes bytes.
 * Units are IEC 80000-13's, as Incus spells them.
 */
export const BytesSchema = z.union([z.number(), z.string()]).transform((value, context): number => {
  const bytes = typeof value === "number" ? value : parseBytes(value);
  if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  context.addIssue({
    code: "custom",
    message: `"${value}" is no size: write bytes, or a number and one of ${Object.keys(FACTORS).join(" ")}, as in "256MiB"`,
  });
  return z.NEVER;
});
/** Bytes. */
export type Bytes = z.output<typeof BytesSchema>;
export type BytesInput = z.input<typeof BytesSchema>;

function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kKMGT]?i?B)$/.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : FACTORS[match[2]];
  return match === null || factor === undefined ? undefined : Math.round(Number(match[1]) * factor);
}
