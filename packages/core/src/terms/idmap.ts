/** The number of ids of an instance, unless it is configured otherwise, and the least: what a distribution expects. */
export const ID_COUNT = 65_536;

/** Users and groups have ids of their own, and each a map of its own. */
export type IdKind = "uid" | "gid";

/** Ids inside that are named ids of the host, and not those of the instance's own range. */
export interface IdmapLine {
  /** The first id inside. */
  readonly inside: number;
  /** The first id of the host. */
  readonly outside: number;
  /** The number of ids. */
  readonly count: number;
  /** Whether they are ids of users, of groups or of both. */
  readonly of: IdKind | "both";
}

/**
 * Maps the ids 0 to `count` - 1 inside to `base` and up on the host, for uids and gids, except those of the extra lines.
 * user_namespaces(7).
 */
export interface Idmap {
  /** The id on the host of id 0 inside. */
  readonly base: number;
  /** The number of ids inside, without those of extra lines beyond it. */
  readonly count: number;
  /** Ids inside that are these ids of the host instead; they may also lie beyond `count`. */
  readonly extra?: readonly IdmapLine[] | undefined;
}
