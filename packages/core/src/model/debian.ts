import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { ArgumentSchema, argvIssue } from "./exec.ts";
import { objectAs, required } from "./wording.ts";

/** A Debian root file system that mmdebstrap(1) builds. */
export interface DebianBootstrap {
  /** Marks the source as a Debian root file system to build. */
  readonly type: "debian";
  /** The release, by its code name: `bookworm`, `trixie` … */
  readonly suite: string;
  /** Packages beyond the variant's own: `name`, `name/suite`, `name=version` or `name:arch`. Default: none. */
  readonly packages?: readonly string[] | undefined;
  /** The URL of the mirror: http, https, file or copy. Default: the mirror that the host's apt uses. */
  readonly mirror?: string | undefined;
  /** The base set of packages, from large to small: `minbase` (default), `apt`, `essential`. */
  readonly variant?: "minbase" | "apt" | "essential" | undefined;
  /**
   * Programs that run in the new root, one after another, once its packages are there: each a list of a program and its
   * arguments. They run as root of this host and are only kept apart by chroot(2), so give none that you do not trust.
   * If one fails, so does the import. Default: none.
   */
  readonly customize?: readonly (readonly string[])[] | undefined;
  /**
   * Whether a `Release` file whose `Valid-Until` has passed is refused, apt's `Acquire::Check-Valid-Until`. `false` takes
   * archives that nobody updates any more, such as those of snapshot.debian.org; they lack later security updates, and
   * their signatures are checked all the same. Default: true.
   */
  readonly checkValidUntil?: boolean | undefined;
}

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
    checkValidUntil: z.boolean().default(true),
  },
  objectAs('a reference such as "docker://docker.io/library/redis:7", or { type: "debian", suite: "bookworm" }'),
);
type _DebianBootstrap = Holds<Same<DebianBootstrap, Frozen<z.input<typeof DebianSchema>>>>;
