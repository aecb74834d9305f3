import { z } from "zod";
import { isPassable, isWellFormed, tooLong } from "./arguments.ts";
import { noNul } from "./no-nul.ts";
import { recordOf } from "./record-of.ts";
import { required } from "./wording.ts";

/** Environment variables by name. A value cannot contain NUL (environ(7)). */
export const EnvSchema = recordOf(
  z
    .string()
    .regex(/^[^=\0\n]+$/, "the name of a variable cannot contain =, newline or NUL")
    .refine(isWellFormed, "the name of a variable must be valid Unicode, without lone surrogates"),
  noNul("a variable's value", required('leave the variable out, or give it ""')).refine(
    isWellFormed,
    "a variable's value must be valid Unicode, without lone surrogates",
  ),
  { error: envIssue },
).superRefine((env, context) => {
  for (const [name, value] of Object.entries(env))
    if (!isPassable(`${name}=${value}`))
      context.addIssue({ code: "custom", path: [name], message: tooLong("a variable") });
});

/** What to write instead of `NAME=value`, the form of Docker and execve(2). */
function envIssue({ code, input }: z.core.$ZodRawIssue): string | undefined {
  if (code !== "invalid_type") return undefined;
  const [, name, value] = /^([^=]{1,60})=(.{0,60})$/s.exec(String(Array.isArray(input) ? input[0] : input)) ?? [];
  const key = name !== undefined && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : JSON.stringify(name ?? "NAME");
  const example = name === undefined ? `NAME: "value"` : `${key}: ${JSON.stringify(value)}`;
  return `must be an object of names and values: write { ${example} }`;
}
