/** The number of ids of an instance, unless it is configured otherwise, and the least: what a distribution expects. */
export const ID_COUNT = 65_536;

/** Maps the ids 0 to `count` - 1 inside to `base` and up on the host, for uids and gids. user_namespaces(7). */
export interface Idmap {
  /** The id on the host of id 0 inside. */
  readonly base: number;
  /** The number of ids inside. */
  readonly count: number;
}
