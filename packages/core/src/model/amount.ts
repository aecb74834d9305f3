import { z } from "zod";

/** How long a call waits before it gives up, in milliseconds. */
export const TimeoutSchema = z.custom<number>(
  (value) => typeof value === "number" && value >= 0,
  "must be a number of milliseconds, 0 or more, or Infinity",
);

/** A limit in bytes; `Infinity` for none. */
export const BoundSchema = z.custom<number>(
  (value) => (Number.isInteger(value) && Number(value) >= 0) || value === Number.POSITIVE_INFINITY,
  "must be a whole number of bytes, 0 or more, or Infinity",
);
