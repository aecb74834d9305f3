import { z } from "zod";

// (uid_t)-1 means "unchanged" to chown(2).
const IdSchema = z
  .number()
  .int()
  .min(0)
  .max(2 ** 32 - 2);

/** The hint for a mode that is written as octal text, as for `chmod`. */
function modeIssue({ input }: z.core.$ZodRawIssue): string | undefined {
  const octal = typeof input === "string" ? /^0?([0-7]{3,4})$/.exec(input)?.[1] : undefined;
  return octal === undefined ? undefined : `must be a number: write 0o${octal}`;
}

/**
 * Usual modes, written without `0o`. As decimal numbers they mean modes that no file has: 644 is 0o1204, a sticky file
 * that its owner can write but not read.
 */
const DECIMAL = new Set([600, 640, 644, 660, 664, 666, 700, 750, 755, 770, 775, 777]);

function isOctal(mode: number): boolean {
  return !DECIMAL.has(mode);
}

function decimalIssue({ input }: z.core.$ZodRawIssue): string {
  return `${input} is 0o${Number(input).toString(8)}: write 0o${input}`;
}

/** The owner and the permission bits of a file inside an instance. */
export const OwnerSchema = z.strictObject({
  uid: IdSchema.optional(),
  gid: IdSchema.optional(),
  mode: z.number({ error: modeIssue }).int().min(0).max(0o7777).refine(isOctal, { error: decimalIssue }).optional(),
});
