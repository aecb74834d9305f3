import type { IdmapRequest } from "../contract/backend.ts";
import type { HostReport } from "../contract/report.ts";
import { ConfigError, HostError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { endOf, type IdRange, intersect, overlap, renderRange, subtract } from "../terms/id-range.ts";
import { ID_COUNT } from "../terms/idmap.ts";
import { type Claim, Claims, SHARED } from "./claims.ts";
import { assertNobodyElses, extraIds, rangesOfContainers } from "./extra-ids.ts";
import { idsInUse } from "./foreign.ts";
import { type HostIds, type IdSources, PROCESS_POOL, readHostIds } from "./host-ids.ts";
import { chooseRange, countFree, type TakenRange } from "./ranges.ts";

/** The folders that {@link IdRanges} works with. */
export interface IdFolders extends IdSources {
  /** Where this machine records which ranges are in use, for all root folders together. */
  readonly claims: string;
}

/** Outside of any root folder, and kept over reboots. */
const FOLDERS: IdFolders = { etc: "/etc", proc: "/proc", claims: "/var/lib/pileus-ids" };

/** An instance to which ids belong. */
export interface IdOwner {
  readonly uuid: string;
  /** The path of its record. */
  readonly record: string;
}

/** What the host says about its ids at one time. */
export interface IdView {
  readonly host: HostIds;
  readonly inUse: readonly TakenRange[];
}

/**
 * The ids of the host, and which instance has which. No two instances on this machine have the same id, whatever their
 * root folders.
 */
export class IdRanges {
  readonly #folders: IdFolders;
  readonly #claims: Claims;

  constructor(folders: IdFolders = FOLDERS) {
    this.#folders = folders;
    this.#claims = new Claims(folders.claims);
  }

  /**
   * Reads the host's users and the user namespaces of its processes. @throws {HostError} when a list of accounts cannot
   * be read
   */
  view(): IdView {
    return { host: readHostIds(this.#folders), inUse: idsInUse(this.#folders.proc) };
  }

  /**
   * What `doctor()` says of the ids, for drivers whose instances need some: where they come from and how many ranges are
   * free, or why a create would fail. Changes nothing.
   */
  report(): Omit<HostReport, "usable"> {
    try {
      const { host, inUse } = this.view();
      if (host.refusal !== undefined) return { missing: [host.refusal], facts: [] };
      const live = this.#claims.list().filter((claim) => !this.#claims.isAbandoned(claim));
      const taken = [...host.taken, ...inUse, ...live.map((claim) => this.#named(claim))];
      const free = countFree(host.pool, taken);
      if (free === 0) throw noneFree(ID_COUNT, placeOf({ count: ID_COUNT, path: [] }, host), taken);
      return { missing: [], facts: [{ name: "ids", value: freeRanges(free, host.source) }] };
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return { missing: error.missing, facts: [] };
    }
  }

  /**
   * Gives a range to an instance. Safe to repeat.
   *
   * @throws {HostError} when none is free. @throws {ConfigError} when the range that the request names is not free, or
   * an extra line names ids of others.
   */
  async claim(owner: IdOwner, request: IdmapRequest, view: IdView, options: Abortable): Promise<IdRange> {
    assertKnown(request, view.host);
    await using _lock = await this.#claims.lock(options);
    const key = keyOf(owner, request);
    const [mine, others] = this.#split(key);
    this.#assertExtra(request, view.host, view.inUse);
    const range = mine === undefined ? this.#choose(owner, request, view, others) : rangeOf(mine);
    if (mine === undefined) this.#claims.add({ ...range, key }, recordOf(owner, request));
    this.#claimExtra(owner, request);
    return range;
  }

  /**
   * Called before each start. Returns the range that the instance had, if it is still claimed for it and no user of the
   * host has been given one of its ids meanwhile, as far as the host's files can be read; otherwise another range. Only
   * in the second case does this read the ids of processes.
   *
   * @throws {HostError} as {@link claim}. @throws {ConfigError} when its claims were lost, and an extra line names ids
   * of another instance by now.
   */
  async keep(owner: IdOwner, request: IdmapRequest, had: IdRange, options: Abortable): Promise<IdRange> {
    const range = rangeOf(had);
    const key = keyOf(owner, request);
    const record = recordOf(owner, request);
    const claims = [{ claim: { ...range, key }, record }, ...extraClaims(owner, request)];
    const isClaimed = claims.every(({ claim, record: of }) => this.#claims.recordOf(claim) === of);
    let host: HostIds;
    try {
      host = readHostIds(this.#folders);
    } catch (error) {
      if (isClaimed && error instanceof HostError) return range;
      throw error;
    }
    if (isClaimed && host.taken.every((other) => !overlap(other, range))) return range;
    assertKnown(request, host);
    await using _lock = await this.#claims.lock(options);
    const [mine, others] = this.#split(key);
    // Which users have subordinate ids by now is the business of the host's administrator.
    this.#assertExtra(request, { own: host.own, subordinate: [] }, []);
    const known = request.mode === "shared" && mine !== undefined ? rangeOf(mine) : range;
    const stays = [...host.taken, ...others].every((other) => !overlap(other, known));
    const kept = stays ? known : this.#choose(owner, request, { host, inUse: idsInUse(this.#folders.proc) }, others);
    if (mine !== undefined) this.#claims.drop(mine);
    this.#claims.add({ ...kept, key }, record);
    this.#claimExtra(owner, request);
    return kept;
  }

  /** Gives back the ids of this instance, unless they are shared. Idempotent. */
  release(uuid: string): void {
    for (const claim of this.#claims.list()) if (claim.key === uuid) this.#claims.drop(claim);
  }

  #split(key: string): readonly [mine: Claim | undefined, others: readonly Claim[]] {
    const claims = this.#claims.list();
    const isMine = (claim: Claim) => claim.key === key && claim.extra === undefined;
    return [claims.find(isMine), claims.filter((claim) => !isMine(claim))];
  }

  /**
   * To be called under the lock of the claims. @throws {ConfigError} when an extra line names ids of a user's containers or
   * of another instance's range.
   */
  #assertExtra(
    request: IdmapRequest,
    { own, subordinate }: Pick<HostIds, "own" | "subordinate">,
    inUse: readonly TakenRange[],
  ): void {
    const ids = extraIds(request);
    if (ids.length === 0) return;
    const claims = this.#claims.list();
    const ranges = claims
      .filter((claim) => claim.extra === undefined && ids.some((of) => overlap(of, claim)))
      .filter((claim) => !this.#claims.isAbandoned(claim))
      .map((claim) => this.#named(claim));
    const named = claims.filter((claim) => claim.extra);
    assertNobodyElses(request, [...subordinate, ...ranges, ...rangesOfContainers(inUse, named)], own);
    // If an instance comes back whose record could not be found, it gets another range.
    const others = claims.filter((claim) => claim.extra === undefined);
    for (const of of ids) this.#dropAbandoned(others, of);
  }

  /** Idempotent. */
  #claimExtra(owner: IdOwner, request: IdmapRequest): void {
    for (const { claim, record } of extraClaims(owner, request)) {
      this.#claims.drop(claim);
      this.#claims.add(claim, record);
    }
  }

  #choose(owner: IdOwner, request: IdmapRequest, { host, inUse }: IdView, claims: readonly Claim[]): IdRange {
    const named = extraIds(request).map((ids): TakenRange => ({ ...ids, owner: "its own extra lines" }));
    const taken = [...host.taken, ...named, ...inUse];
    const { base, count } = request;
    if (base !== undefined) {
      const live = this.#dropAbandoned(claims, { base, count });
      assertFree(request, { base, count }, host, [...taken, ...live.map((claim) => this.#named(claim))]);
      return { base, count };
    }
    const place = placeOf(request, host);
    const choose = (others: readonly Claim[]) =>
      chooseRange(place.pool, [...taken, ...others], { count, seed: owner.uuid, step: place.step });
    const chosen = choose(claims);
    if (chosen !== undefined) return chosen;
    const live = claims.filter((claim) => !this.#claims.isAbandoned(claim));
    const found = choose(live);
    if (found === undefined) throw noneFree(count, place, [...taken, ...live.map((claim) => this.#named(claim))]);
    this.#dropAbandoned(claims, found);
    return found;
  }

  /** Drops abandoned claims that overlap `range`, and returns the others. */
  #dropAbandoned(claims: readonly Claim[], range: IdRange): readonly Claim[] {
    const abandoned = claims.filter((claim) => overlap(claim, range) && this.#claims.isAbandoned(claim));
    for (const claim of abandoned) this.#claims.drop(claim);
    return claims.filter((claim) => !abandoned.includes(claim));
  }

  #named(claim: Claim): TakenRange {
    const shared = "the instances that share their ids";
    return { ...claim, owner: claim.key === SHARED ? shared : `the instance of ${this.#claims.recordOf(claim)}` };
  }
}

interface Place extends Pick<HostIds, "pool" | "source"> {
  readonly step: number;
  /** What to do when none is free. */
  readonly fix: string;
}

/** Where the ids of a request are chosen. */
function placeOf({ use, count, path }: Omit<IdmapRequest, "mode">, { pool, source, own }: HostIds): Place {
  if (use === "process") {
    const fix = `name an account of this host in ${path.join(".")}`;
    return { pool: intersect([PROCESS_POOL], own), source: renderRange(PROCESS_POOL), step: count, fix };
  }
  const end = Math.max(0, ...pool.map(endOf));
  const fix =
    `delete instances, give root more ids (a line like root:${Math.max(end, 1_000_000)}:1000000000 in /etc/subuid ` +
    'and in /etc/subgid), or let instances share one range: idmap: "shared"';
  return { pool, source, step: ID_COUNT, fix };
}

/**
 * An id of a process is taken from where no line of /etc/subuid is expected, so a line that cannot be read does not
 * concern it.
 *
 * @throws {HostError}
 */
function assertKnown({ use }: IdmapRequest, { refusal }: HostIds): void {
  if (use !== "process" && refusal !== undefined) throw new HostError("choose ids for an instance", [refusal]);
}

function keyOf({ uuid }: IdOwner, { mode }: IdmapRequest): string {
  return mode === "shared" ? SHARED : uuid;
}

/** The shared range belongs to no single record. */
function recordOf({ record }: IdOwner, { mode }: IdmapRequest): string {
  return mode === "shared" ? SHARED : record;
}

/** The claims of the extra lines of an instance, one for each range of ids. */
function extraClaims({ uuid, record }: IdOwner, request: IdmapRequest) {
  return extraIds(request).map((ids) => ({ claim: { ...ids, key: uuid, extra: true } as const, record }));
}

function rangeOf({ base, count }: IdRange): IdRange {
  return { base, count };
}

/** @throws {ConfigError} */
function assertFree({ path }: IdmapRequest, range: IdRange, host: HostIds, taken: readonly TakenRange[]): void {
  const refuse = (message: string) => new ConfigError("instance config", [{ path, message }]);
  const other = taken.find((of) => overlap(of, range));
  if (other !== undefined)
    throw refuse(
      `the ids ${renderRange(range)} are not free: ${renderRange(other)} belong to ${other.owner}; leave the base out to get free ones`,
    );
  if (subtract([range], host.own).length > 0)
    throw refuse(`the ids ${renderRange(range)} are not all ids of this user namespace: choose others`);
}

/** How many owners of ids a message names. */
const NAMED = 3;

function noneFree(count: number, { pool, source, fix }: Place, taken: readonly TakenRange[]): HostError {
  const holders = taken
    .filter((range) => pool.some((part) => overlap(part, range)))
    .toSorted((a, b) => b.count - a.count || a.base - b.base);
  const named = holders.slice(0, NAMED).map((range) => `${renderRange(range)} belong to ${range.owner}`);
  const more = holders.length > NAMED ? [`${holders.length - NAMED} more ranges are taken`] : [];
  const all = pool.reduce((sum, part) => sum + part.count, 0);
  const reason = [`of the ${all} ids of ${source}, no ${count} in a row are free`, ...named, ...more].join(", ");
  return new HostError("give an instance ids of its own", [{ need: "ids", reason, fix }]);
}

function freeRanges(count: number, source: string): string {
  return count === 1 ? `1 range of ${source} is free` : `${count} ranges of ${source} are free`;
}
