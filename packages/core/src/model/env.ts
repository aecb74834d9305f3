import { z } from "zod";
import { isPassable, isWellFormed, tooLong } from "./arguments.ts";

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
        .string()
        .regex(/^[^\0]*$/, "a variable's value has no NUL")
        .refine(isWellFormed, "a variable's value is UTF-8, without lone surrogates"),
    ),
  )
  .superRefine((env, context) => {
    for (const [name, value] of Object.entries(env))
      if (!isPassable(`${name}=${value}`))
        context.addIssue({ code: "custom", path: [name], message: tooLong("a variable") });
  });
