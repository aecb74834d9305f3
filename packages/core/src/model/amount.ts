import { z } from "zod";

const AmountSchema = (what: string) =>
  z.custom<number>((value) => typeof value === "number" && value >= 0, `must be ${what}, 0 or more, or Infinity`);

/** Milliseconds after which a call gives up. */
export const TimeoutSchema = AmountSchema("a number of milliseconds");

/** A number of bytes that is a bound, and may be none. */
export const BoundSchema = AmountSchema("a number of bytes");
