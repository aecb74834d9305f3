import { z } from "zod";
import { isPassable, isWellFormed, tooLong } from "./arguments.ts";
import { required } from "./wording.ts";

/** An environment variable's name, and a value that can stand in one: no NUL (environ(7)). */
export const EnvSchema = z
  .custom<Readonly<Record<string, string>>>()
  // z.record() leaves out this one key, and says nothing.
  .refine((env) => !(typeof env === "object" && env !== null && Object.hasOwn(env, "__proto__")), {
    path: ["__proto__"],
    message: "no variable can have this name",
    abort: true,
  })
  .pipe(
    z.record(
      z
        .string()
        .regex(/^[^=\0\n]+$/, "the name of a variable has no =, newline or NUL")
        .refine(isWellFormed, "the name of a variable is UTF-8, without lone surrogates"),
      z
        .string(required('leave the variable out, or give it ""'))
        .regex(/^[^\0]*$/, "a variable's value has no NUL")
        .refine(isWellFormed, "a variable's value is UTF-8, without lone surrogates"),
      { error: envIssue },
    ),
  )
  .superRefine((env, context) => {
    for (const [name, value] of Object.entries(env))
      if (!isPassable(`${name}=${value}`))
        context.addIssue({ code: "custom", path: [name], message: tooLong("a variable") });
  });

/** What to write in place of `NAME=value`, as Docker and execve(2) have it. */
function envIssue({ code, input }: z.core.$ZodRawIssue): string | undefined {
  if (code !== "invalid_type") return undefined;
  const [, name, value] = /^([^=]{1,60})=(.{0,60})$/s.exec(String(Array.isArray(input) ? input[0] : input)) ?? [];
  const key = name !== undefined && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : JSON.stringify(name ?? "NAME");
  const example = name === undefined ? `NAME: "value"` : `${key}: ${JSON.stringify(value)}`;
  return `must be an object of names and values: write { ${example} }`;
}
