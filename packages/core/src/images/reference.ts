import { z } from "zod";
import { ConfigError, NotFoundError } from "../errors/all.ts";
import { importHint } from "./import-hint.ts";

const HEX_PREFIX = /^(?:sha256:)?([0-9a-f]{12,64})$/;

/** A name for an image. A fingerprint, or the beginning of one, is not a valid name. */
export const AliasSchema = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,127}$/,
    "an alias is 1 to 128 letters, digits and . _ : / @ -, and begins with a letter or digit",
  )
  .refine((alias) => !HEX_PREFIX.test(alias), "an alias must not look like a fingerprint");

/**
 * The fingerprint for an alias, a fingerprint, or at least 12 of its first digits.
 *
 * @throws {NotFoundError} when there is none. @throws {ConfigError} when several begin with these digits.
 */
export function resolveReference(
  reference: string,
  fingerprints: readonly string[],
  aliases: Readonly<Record<string, string>>,
): string {
  const named = Object.hasOwn(aliases, reference) ? aliases[reference] : undefined;
  if (named !== undefined && fingerprints.includes(named)) return named;
  const digits = HEX_PREFIX.exec(reference)?.[1];
  if (digits === undefined) throw new NotFoundError("image", reference, { hint: importHint(reference) });
  const matches = fingerprints.filter((fingerprint) => fingerprint.startsWith(`sha256:${digits}`));
  const [match] = matches;
  if (match === undefined) throw new NotFoundError("image", reference);
  if (matches.length > 1)
    throw new ConfigError("image reference", [
      { path: [], message: `"${reference}" is the beginning of ${matches.length} fingerprints: give more digits` },
    ]);
  return match;
}
