import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { type BytesInput, BytesSchema } from "./units.ts";

/** How much is kept of what an instance prints, for all its runs together: the newest. As `max-size` and `max-file` of Docker. */
export interface LogBoundsInput {
  /** The most that one file takes on disk, as bytes or as `"16MiB"`, at least 64 KiB. Default 16 MiB. */
  readonly maxSize?: BytesInput | undefined;
  /** How many files there are at most, 1 to 100. Default 4. */
  readonly maxFiles?: number | undefined;
}

/** {@link LogBoundsInput} in bytes. */
export interface LogBounds extends LogBoundsInput {
  readonly maxSize?: number | undefined;
}

/** As a keeper needs it: packages/core/keeper/config.h. */
const LEAST = 64 * 1024;

/** Reads {@link LogBoundsInput}. */
export const LogBoundsSchema = z.strictObject({
  maxSize: BytesSchema.refine((bytes) => bytes >= LEAST, "must be 64 KiB or more").optional(),
  maxFiles: z.number().int().min(1).max(100).optional(),
});
type _LogBounds = Holds<Same<Frozen<LogBounds>, Frozen<z.output<typeof LogBoundsSchema>>>>;
type _LogBoundsInput = Holds<Same<LogBoundsInput, Frozen<z.input<typeof LogBoundsSchema>>>>;
