import { z } from "zod";
import type { IdKind, IdmapLine } from "../terms/idmap.ts";
import type { Frozen, Holds, Same } from "../terms/same.ts";

/**
 * Ids inside that are these ids of the host, instead of some of the instance's own range: what is done with the host's
 * account 1000 inside, and what belongs to it, is as on the host. An instance whose programs break out has the rights of
 * these accounts, and such an account may open a console on which its id is logged in. A system container with users of
 * the host has no keys (keyrings(7)) by default: its users would reach those of the accounts.
 */
export interface IdmapLineInput {
  /** The id inside, or the first one. Not 0: root inside always has an id that nobody else has. */
  readonly inside: number;
  /** The id of the host, or the first one. Not 0, and no id of another instance. */
  readonly outside: number;
  /** The number of ids in a row. Default 1. */
  readonly count?: number | undefined;
  /** Whether they are ids of users, of groups, or (default) of both. */
  readonly of?: IdKind | "both" | undefined;
}

/** Ids lie below those that the kernel keeps for itself. */
export const MAX_ID = 0xffff_fffe;

/** The kernel takes a map of less than 4096 bytes: user_namespaces(7). Each line can split the own range in two. */
const MAX_LINES = 50;

const TOO_MANY = `a map has room for ${MAX_LINES} lines: join those whose ids are in a row, with count`;
const ROOT_INSIDE = "root inside has an id that nobody else has: name an id of another user inside";
const ROOT_OUTSIDE =
  "0 is root of the host: no unprivileged instance gets its rights; name another account, or write privileged: true";

const IdSchema = z.number().int();

const LineSchema = z
  .strictObject({
    inside: IdSchema.min(1, ROOT_INSIDE),
    outside: IdSchema.min(1, ROOT_OUTSIDE),
    count: IdSchema.min(1).default(1),
    of: z.enum(["uid", "gid", "both"]).default("both"),
  })
  .superRefine((line, context) => {
    for (const side of SIDES)
      if (line[side] + line.count > MAX_ID)
        context.addIssue({ code: "custom", path: [side], message: "the line goes beyond the largest id" });
  });
type _IdmapLine = Holds<Same<IdmapLine, Frozen<z.output<typeof LineSchema>>>>;
type _IdmapLineInput = Holds<Same<IdmapLineInput, Frozen<z.input<typeof LineSchema>>>>;

const SIDES = ["inside", "outside"] as const;

/** The extra lines of a map. */
export const IdmapLinesSchema = z
  .array(LineSchema)
  .max(MAX_LINES, TOO_MANY)
  .readonly()
  .superRefine((lines, context) => {
    for (const [index, line] of lines.entries())
      for (const side of SIDES) {
        const other = lines.findIndex((before, at) => at < index && shareIds(before, line, side));
        if (other < 0) continue;
        const message = `an id here is one of the line ${other}, too: an id has one other id alone`;
        context.addIssue({ code: "custom", path: [index, side], message });
      }
  });

function shareIds(a: IdmapLine, b: IdmapLine, side: "inside" | "outside"): boolean {
  const sameKind = a.of === b.of || a.of === "both" || b.of === "both";
  return sameKind && a[side] < b[side] + b.count && b[side] < a[side] + a.count;
}
