import { z } from "zod";

/** An environment variable's name, and a value that can stand in one: no NUL (environ(7)). */
export const EnvSchema = z.record(
  z.string().regex(/^[^=\0\n]+$/, "the name of a variable has no =, newline or NUL"),
  z.string().regex(/^[^\0]*$/, "a variable's value has no NUL"),
);
