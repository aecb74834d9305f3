import type { Missing } from "../errors/all.ts";
import type { IdRange } from "../terms/id-range.ts";
import { printable } from "../text/printable.ts";

/** One line of /etc/subuid or /etc/subgid: subuid(5). */
export interface SubordinateIds extends IdRange {
  /** A login name or a uid. */
  readonly user: string;
  /** Counted from 1. */
  readonly line: number;
}

/** One more than the largest id: -1 means "unchanged" to the kernel (chown(2)). */
const IDS = 0xffff_ffff;

/** What a file of subordinate ids says. */
export interface SubordinateFile {
  readonly lines: readonly SubordinateIds[];
  /** Its first line that cannot be read: it is not known to whom that line's ids belong. */
  readonly malformed: Missing | undefined;
}

/**
 * Reads the text of `file`. Names of users may have blanks, as in a Windows domain. Skips blank lines and comments:
 * shadow-utils does not write comments, but people do.
 */
export function parseSubordinateIds(file: string, text: string): SubordinateFile {
  let malformed: Missing | undefined;
  const lines = text.split("\n").flatMap((content, index) => {
    if (/^\s*(#|$)/.test(content)) return [];
    const [, user, base, count] = /^([^:]+):(\d+):(\d+)\s*$/.exec(content) ?? [];
    const range = { base: Number(base), count: Number(count) };
    if (user === undefined || !(range.base + range.count <= IDS)) {
      malformed ??= refusalOf(file, index + 1, content);
      return [];
    }
    return range.count === 0 ? [] : [{ user, ...range, line: index + 1 }];
  });
  return { lines, malformed };
}

function refusalOf(file: string, line: number, content: string): Missing {
  const reason = `line ${line} is not user:first id:number of ids: "${printable(content, 100)}"`;
  return { need: `file:${file}`, reason, fix: "correct or remove the line" };
}
