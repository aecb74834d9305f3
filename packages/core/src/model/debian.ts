import { z } from "zod";
import type { DebianBootstrap } from "../contract/images.ts";
import { ArgumentSchema, argvIssue } from "./exec.ts";
import type { Frozen, Holds, Same } from "./same.ts";
import { objectAs, required } from "./wording.ts";

// The characters of names and versions: deb-src-control(5), deb-version(7). apt accepts `name/suite`, `name=version`
// and `name:arch`.
const PACKAGE = /^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?([=/][A-Za-z0-9.+:~-]+)?$/;

/** Reads {@link DebianBootstrap}. */
export const DebianSchema = z.strictObject(
  {
    type: z.literal("debian"),
    suite: z
      .string(required('write a suite, as in suite: "trixie"'))
      .regex(/^[a-z][a-z0-9-]*$/, "a suite is a name such as bookworm"),
    packages: z.array(z.string().regex(PACKAGE, "must be the name of a package")).readonly().default([]),
    mirror: z
      .string()
      .regex(/^(https?|file|copy):\/{1,3}[^\s,[\]]+$/, "a mirror is an http, https, file or copy URL")
      .optional(),
    customize: z
      .array(z.array(ArgumentSchema, { error: argvIssue }).min(1, { error: argvIssue }).readonly())
      .readonly()
      .default([]),
    variant: z.enum(["minbase", "apt", "essential"]).default("minbase"),
  },
  objectAs('a reference such as "docker://docker.io/library/redis:7", or { type: "debian", suite: "bookworm" }'),
);
type _DebianBootstrap = Holds<Same<DebianBootstrap, Frozen<z.input<typeof DebianSchema>>>>;
