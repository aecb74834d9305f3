import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HostError, type Missing } from "../errors/all.ts";
import { hostFailure } from "../system/host-failure.ts";
import { readIfThereSync } from "../system/read-if-there.ts";
import { endOf, type IdRange, intersect, renderRange } from "../terms/id-range.ts";
import { parseAccountIds } from "./accounts.ts";
import { parseIdMap } from "./foreign.ts";
import type { TakenRange } from "./ranges.ts";
import { parseSubordinateIds, type SubordinateFile, type SubordinateIds } from "./subordinate-ids.ts";

/** The folders whose files say to whom ids of the host belong. */
export interface IdSources {
  /** /etc: subuid, subgid, passwd, group. */
  readonly etc: string;
  readonly proc: string;
}

/** What the files of the host say about its ids. */
export interface HostIds {
  /** Where ranges are chosen; empty if `refusal` says why it is not known. */
  readonly pool: readonly IdRange[];
  /**
   * Why nobody can say which subordinate ids are free. The ids of processes ({@link PROCESS_POOL}) do not depend on it.
   */
  readonly refusal: Missing | undefined;
  /** Says where the pool comes from. */
  readonly source: string;
  /** The ids inside our own user namespace: no others can be given away. */
  readonly own: readonly IdRange[];
  /** The ids of the host's users, present and subordinate. */
  readonly taken: readonly TakenRange[];
  /** Those of them that are subordinate: ids of a user's containers. */
  readonly subordinate: readonly TakenRange[];
}

/**
 * The pool where root has no subordinate ids. It begins where Incus and LXD begin, at the next multiple of 65,536, far
 * above what useradd(8) gives to users, and ends where systemd's range for containers ends (systemd's UIDS-GIDS.md), far
 * below the signed 32-bit limit.
 */
export const DEFAULT_POOL: IdRange = { base: 0x10_0000, count: 0x7000_0000 - 0x10_0000 };

/**
 * Where the ids of processes are chosen, whatever root's subordinate ids are: above those that SSSD maps the users of a
 * domain to (up to 2,000,200,000: sssd-ad(5), `ldap_idmap_range_max`), below the end of signed 32-bit numbers.
 */
export const PROCESS_POOL: IdRange = { base: 0x7800_0000, count: 0x07ff_0000 };

/** An id that belongs to no instance and no account: for a program of a driver that needs no rights. */
export const SPARE_ID = endOf(PROCESS_POOL);

/** The ids of the host's own accounts, the dynamic users of systemd, and `nobody`: no instance gets these. */
const SYSTEM: TakenRange = { base: 0, count: 65_536, owner: "the host's own accounts" };

/**
 * Reads the files again each time: it takes a fraction of a millisecond, and users are added.
 *
 * @throws {HostError} when a list of accounts cannot be read.
 */
export function readHostIds({ etc, proc }: IdSources): HostIds {
  const subordinate = ["subuid", "subgid"].map((name) => readSubordinate(join(etc, name)));
  const accounts = ["passwd", "group"].flatMap((name) =>
    parseAccountIds(readAccounts(join(etc, name))).map(({ name: user, id }): TakenRange => {
      return { base: id, count: 1, owner: `the ${name === "passwd" ? "user" : "group"} "${user}"` };
    }),
  );
  const others = subordinate.flatMap(({ path, lines }) =>
    lines
      .filter((line) => !isRoots(line))
      .map((line): TakenRange => ({ ...line, owner: `the user "${line.user}" (${path}, line ${line.line})` })),
  );
  const maps = ["uid_map", "gid_map"].map((map) => parseIdMap(readFileSync(join(proc, "self", map), "latin1")));
  const own = maps.map((lines): readonly IdRange[] => lines.map(({ inside }) => inside)).reduce(intersect);
  const [uids = [], gids = []] = subordinate.map(({ lines }) => lines.filter(isRoots));
  const delegated = uids.length + gids.length > 0;
  const chosen = delegated ? intersect(uids, gids) : [DEFAULT_POOL];
  const malformed = subordinate.find((file) => file.malformed !== undefined)?.malformed;
  const refusal = malformed ?? (chosen.length === 0 ? notTheSame(etc) : undefined);
  return {
    pool: refusal === undefined ? intersect(chosen, own) : [],
    refusal,
    source: delegated ? `root's lines in ${etc}/subuid and ${etc}/subgid` : renderRange(DEFAULT_POOL),
    own,
    taken: [SYSTEM, ...accounts, ...others],
    subordinate: others,
  };
}

function isRoots({ user }: SubordinateIds): boolean {
  return user === "root" || user === "0";
}

/** A file that cannot be read is like one with a malformed line. */
function readSubordinate(path: string): SubordinateFile & { readonly path: string } {
  try {
    return { path, ...parseSubordinateIds(path, readIfThereSync(path) ?? "") };
  } catch (error) {
    return { path, lines: [], malformed: unreadable(path, error) };
  }
}

function readAccounts(path: string): string {
  try {
    return readIfThereSync(path) ?? "";
  } catch (error) {
    throw new HostError("choose ids for an instance", [unreadable(path, error)], { cause: error });
  }
}

function unreadable(path: string, error: unknown): Missing {
  const { code = "" } = error as NodeJS.ErrnoException;
  // Not the file is at fault.
  if (["", "EMFILE", "ENFILE", "ENOMEM"].includes(code)) throw hostFailure("choose ids for an instance", error);
  return {
    need: `file:${path}`,
    reason: `it cannot be read: ${code}`,
    fix: "put a text file that root can read there",
  };
}

function notTheSame(etc: string): Missing {
  const reason = `root has lines in ${etc}/subuid or ${etc}/subgid, but they have no ids in common`;
  const fix = "give root the same ids in both, as in root:1000000:1000000000, or remove both lines";
  return { need: "ids", reason, fix };
}
