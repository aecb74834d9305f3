import { z } from "zod";

const AmountSchema = (what: string) =>
  z.custom<number>((value) => typeof value === "number" && value >= 0, `must be ${what}, 0 or more, or Infinity`);

/** How long a call waits before it gives up, in milliseconds. */
export const TimeoutSchema = AmountSchema("a number of milliseconds");

/** A limit in bytes; `Infinity` for none. */
export const BoundSchema = AmountSchema("a number of bytes");
