import { HostError } from "../contract/errors.ts";
import { printable } from "../text/printable.ts";
import type { IdRange } from "./ranges.ts";

/** One line of /etc/subuid or /etc/subgid: subuid(5). */
export interface SubordinateIds extends IdRange {
  /** A login name or a uid. */
  readonly user: string;
  /** Counted from 1. */
  readonly line: number;
}

/** One more than the largest id: -1 means "unchanged" to the kernel (chown(2)). */
const IDS = 0xffff_ffff;

/**
 * Reads the text of `file`. Names of users may have blanks, as in a Windows domain. Skips blank lines and comments:
 * shadow-utils does not write comments, but people do.
 *
 * @throws {HostError} which names the first line that cannot be read: it is not known to whom its ids belong.
 */
export function parseSubordinateIds(file: string, text: string): readonly SubordinateIds[] {
  return text.split("\n").flatMap((content, index) => {
    if (/^\s*(#|$)/.test(content)) return [];
    const [, user, base, count] = /^([^:]+):(\d+):(\d+)\s*$/.exec(content) ?? [];
    const range = { base: Number(base), count: Number(count) };
    if (user === undefined || !(range.base + range.count <= IDS)) throw malformed(file, index + 1, content);
    return range.count === 0 ? [] : [{ user, ...range, line: index + 1 }];
  });
}

function malformed(file: string, line: number, content: string): HostError {
  const reason = `line ${line} is not user:first id:number of ids: "${printable(content, 100)}"`;
  return new HostError("choose ids for an instance", [
    { need: `file:${file}`, reason, fix: "correct or remove the line" },
  ]);
}
