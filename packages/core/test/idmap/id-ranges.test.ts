import { existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IdmapRequest } from "../../src/contract/backend.ts";
import { DEFAULT_POOL, PROCESS_POOL, SPARE_ID } from "../../src/idmap/host-ids.ts";
import { type IdOwner, IdRanges } from "../../src/idmap/id-ranges.ts";
import { acquireLock } from "../../src/system/lock.ts";
import { endOf, overlap } from "../../src/terms/id-range.ts";

const ALONE: IdmapRequest = { mode: "isolated", count: 65_536, path: ["lxc", "idmap", "base"] };
const SHARED: IdmapRequest = { ...ALONE, mode: "shared" };

let folder: string;
let ids: IdRanges;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-ids-"));
  mkdirSync(join(folder, "etc"));
  addProcess("self", "user:[1]", "0 0 4294967295");
  ids = open();
});
afterEach(() => rm(folder, { recursive: true }));

/** The same host, as another process of it sees it. */
function open(): IdRanges {
  return new IdRanges({ etc: join(folder, "etc"), proc: join(folder, "proc"), claims: join(folder, "claims") });
}

function etc(name: string, ...lines: readonly string[]): void {
  writeFileSync(join(folder, "etc", name), lines.map((line) => `${line}\n`).join(""));
}

/** Subordinate ids in both files. */
function delegate(...lines: readonly string[]): void {
  etc("subuid", ...lines);
  etc("subgid", ...lines);
}

function addProcess(pid: string, namespace: string, map: string): void {
  const process = join(folder, "proc", pid);
  mkdirSync(join(process, "ns"), { recursive: true });
  symlinkSync(namespace, join(process, "ns/user"));
  for (const kind of ["uid_map", "gid_map"])
    writeFileSync(join(process, kind), `${map.replaceAll(" ", "         ")}\n`);
}

/** An instance with a record. */
function owner(uuid: string): IdOwner {
  const record = join(folder, `${uuid}.json`);
  writeFileSync(record, JSON.stringify({ uuid }));
  return { uuid, record };
}

const claim = async (uuid: string, request = ALONE, of = ids) => of.claim(owner(uuid), request, of.view(), {});
const claims = () => readdirSync(join(folder, "claims")).filter((name) => name !== "lock");

describe("the ids of a new instance", () => {
  it("come from the default pool if root has no subordinate ids", async () => {
    const range = await claim("a");
    expect(range.count).toBe(65_536);
    expect(range.base).toBeGreaterThanOrEqual(1_000_000);
    expect(endOf(range)).toBeLessThanOrEqual(endOf(DEFAULT_POOL));
  });

  it("come from root's lines, by name or by number, if there are any in both files", async () => {
    etc("subuid", "# a comment", "", "root:500000:196608", "0:3000000:65536");
    etc("subgid", "root:565536:131072", "0:3000000:65536");
    const given = await Promise.all(["a", "b", "c"].map((uuid) => claim(uuid)));
    expect(given.map(({ base }) => base).sort()).toEqual([3_000_000, 565_536, 631_072]);
  });

  it("include neither the id of a user or a group, nor a subordinate id of a user", async () => {
    delegate("root:1000000:393216", "anna:1000000:65536", "domain users:1100000:1");
    etc("passwd", "carla:x:1150000:100::/:/bin/sh", "broken line");
    etc("group", "crew:x:1200000:");
    expect([await claim("a"), await claim("b")].map(({ base }) => base).sort()).toEqual([1_262_144, 1_327_680]);
    await expect(claim("c")).rejects.toMatchObject({ code: "ERR_HOST" });
  });

  it("include no id of a running container, whatever program started it", async () => {
    delegate("root:1000000:196608");
    addProcess("77", "user:[2]", "0 1000000 65536");
    addProcess("78", "user:[2]", "0 1000000 65536");
    addProcess("79", "user:[1]", "0 0 4294967295");
    mkdirSync(join(folder, "proc/80"));
    expect([await claim("a"), await claim("b")].map(({ base }) => base).sort()).toEqual([1_065_536, 1_131_072]);
    await expect(claim("c")).rejects.toThrow("1000000 to 1065535 belong to the container with process 77");
  });

  it("stay the same when they are claimed again", async () => {
    expect(await claim("a")).toEqual(await claim("a"));
    expect(claims()).toHaveLength(1);
  });

  it("can be given to another instance after the release", async () => {
    delegate("root:1000000:65536");
    const range = await claim("a");
    ids.release("b");
    await expect(claim("b")).rejects.toMatchObject({ code: "ERR_HOST" });
    ids.release("a");
    ids.release("a");
    expect(await claim("b")).toEqual(range);
  });

  it("do not overlap those of another process that claims ids at the same time", async () => {
    const others = open();
    const given = await Promise.all(Array.from({ length: 16 }, (_, i) => claim(`${i}`, ALONE, i % 2 ? ids : others)));
    for (const [i, a] of given.entries()) for (const b of given.slice(i + 1)) expect(overlap(a, b)).toBe(false);
  });

  it("are chosen by one process at a time, and an abort ends the wait", async () => {
    const range = await claim("a");
    ids.release("a");
    await using _held = await acquireLock(join(folder, "claims/lock"));
    const abort = new AbortController();
    const { signal } = abort;
    const calls = [
      ids.claim(owner("b"), ALONE, ids.view(), { signal }),
      ids.keep(owner("a"), ALONE, range, { signal }),
    ];
    abort.abort("enough");
    for (const result of await Promise.allSettled(calls)) expect(result).toMatchObject({ reason: "enough" });
    expect(claims()).toEqual([]);
  });

  it("have the number and the first id that the request names", async () => {
    expect(await claim("a", { ...ALONE, base: 123_456, count: 200_000 })).toEqual({ base: 123_456, count: 200_000 });
    expect((await claim("b", { ...ALONE, count: 1_000_000 })).count).toBe(1_000_000);
  });

  it("are the shared range if the request asks for it", async () => {
    const range = await claim("a", SHARED);
    expect(await claim("b", SHARED)).toEqual(range);
    ids.release("a");
    expect(await claim("c", SHARED)).toEqual(range);
    expect(overlap(await claim("d"), range)).toBe(false);
  });

  it("are never those that instances share, whichever of those are gone", async () => {
    delegate("root:1000000:65536");
    const range = await claim("a", SHARED);
    ids.release("a");
    rmSync(join(folder, "a.json"));
    await expect(claim("b")).rejects.toThrow("1000000 to 1065535 belong to the instances that share their ids");
    expect(await claim("c", SHARED)).toEqual(range);
  });

  it.each(["uid_map", "gid_map"])("come only from our own user namespace: %s", async (map) => {
    writeFileSync(join(folder, "proc/self", map), "0 100000 1150000\n");
    expect((await claim("a")).base).toBe(DEFAULT_POOL.base);
    await expect(claim("b", { ...ALONE, base: 1_140_000 })).rejects.toThrow(/not all ids of this user namespace/);
  });

  it.each(["subuid", "subgid"])("include no subordinate id of a user, whatever kind of id it is: %s", async (name) => {
    delegate("root:1000000:131072");
    etc(name, "root:1000000:131072", "anna:1000000:65536");
    expect((await claim("a")).base).toBe(1_065_536);
    await expect(claim("b")).rejects.toMatchObject({ code: "ERR_HOST" });
  });

  it.each(["uid_map", "gid_map"])(
    "include no id of a running container, whatever kind of id it is: %s",
    async (map) => {
      delegate("root:1000000:131072");
      addProcess("77", "user:[2]", "0 3000000 10");
      writeFileSync(join(folder, "proc/77", map), "0 1000000 65536\n");
      expect((await claim("a")).base).toBe(1_065_536);
      await expect(claim("b")).rejects.toMatchObject({ code: "ERR_HOST" });
    },
  );
});

describe("a claim is refused, and the error names", () => {
  it.each([
    ["anna:100000", 2],
    ["anna:100000:", 2],
    ["anna:-1:65536", 2],
    ["anna:4294967000:65536", 2],
    [":1:1", 2],
    ["\u001b[2J:1", 2],
  ])("a line that cannot be read: %j", async (line) => {
    etc("subgid", "root:1000000:65536", line);
    const error = await claim("a").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ERR_HOST", missing: [{ need: `file:${folder}/etc/subgid` }] });
    expect(String(error)).toMatch(/line 2 is not user:first id:number of ids: "/);
    expect(String(error)).not.toContain("\u001b");
    expect(existsSync(join(folder, "claims"))).toBe(false);
  });

  it.each(["subuid", "subgid"])("a file of subordinate ids that is none: %s", async (name) => {
    mkdirSync(join(folder, "etc", name));
    const missing = [{ need: `file:${folder}/etc/${name}`, reason: "it cannot be read: EISDIR" }];
    await expect(claim("a")).rejects.toMatchObject({ code: "ERR_HOST", missing });
    expect(ids.report()).toMatchObject({ missing });
  });

  it.each(["passwd", "group"])("a list of accounts that is none: %s", async (name) => {
    mkdirSync(join(folder, "etc", name));
    const missing = [{ need: `file:${folder}/etc/${name}` }];
    await expect(claim("a")).rejects.toMatchObject({ code: "ERR_HOST", missing });
    expect(ids.report()).toMatchObject({ missing });
  });

  it("lines of root that have no ids in common", async () => {
    etc("subuid", "root:1000000:65536");
    await expect(claim("a")).rejects.toThrow(/they have no ids in common; fix: give root the same ids in both/);
  });

  it("the owners and the fix, if the pool is used up", async () => {
    delegate("root:1000000:131072", "anna:1065536:1");
    const { record } = owner("a");
    await claim("a");
    await expect(claim("b")).rejects.toThrow(
      `ids (of the 131072 ids of root's lines in ${folder}/etc/subuid and ${folder}/etc/subgid, no 65536 in a row are free, ` +
        `1000000 to 1065535 belong to the instance of ${record}, ` +
        `1065536 to 1065536 belong to the user "anna" (${folder}/etc/subuid, line 2)`,
    );
    expect(claims()).toHaveLength(1);
  });

  it.each([
    ["a user's", 100_000, /100000 to 165535 belong to the user "anna" \(.*subuid, line 1\)/],
    ["the host's own", 65_000, /0 to 65535 belong to the host's own accounts/],
    ["a running container's", 3_000_000, /3000000 to 3000009 belong to the container with process 9/],
    ["another instance's", 5_000_000, /5000000 to 5065535 belong to the instance of .*other\.json/],
  ])("a base within %s ids", async (_, base, message) => {
    delegate("anna:100000:65536");
    addProcess("9", "user:[9]", "0 3000000 10");
    await claim("other", { ...ALONE, base: 5_000_000 });
    const error = await claim("a", { ...ALONE, base }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ERR_CONFIG", issues: [{ path: ["lxc", "idmap", "base"] }] });
    expect(String(error)).toMatch(message);
    expect(claims()).toHaveLength(1);
  });
});

describe("the report for doctor()", () => {
  it("says how many ranges are free, and where they come from", async () => {
    delegate("root:1000000:262144", "anna:1000000:1");
    await claim("a");
    expect(ids.report()).toEqual({
      missing: [],
      facts: [
        { name: "ids", value: `2 ranges of root's lines in ${folder}/etc/subuid and ${folder}/etc/subgid are free` },
      ],
    });
  });
  it("says it of a single range, too", async () => {
    delegate("root:1000000:131072", "anna:1000000:1");
    expect(ids.report().facts[0]?.value).toMatch(/^1 range of .* is free$/);
  });
  it("says why a create would fail, and changes nothing", () => {
    delegate("root:1000000:65536", "anna:1000000:1");
    expect(ids.report()).toMatchObject({ missing: [{ need: "ids", reason: /no 65536 in a row are free/ }], facts: [] });
    delegate("root");
    expect(ids.report()).toMatchObject({ missing: [{ need: `file:${folder}/etc/subuid` }] });
    expect(existsSync(join(folder, "claims"))).toBe(false);
  });
});

describe("an instance whose root folder was removed by hand", () => {
  it("keeps its ids until they are needed", async () => {
    delegate("root:1000000:131072");
    const [a] = [await claim("a"), await claim("b")];
    rmSync(join(folder, "a.json"));
    expect(claims()).toHaveLength(2);
    expect(await claim("c")).toEqual(a);
    expect(claims()).toHaveLength(2);
  });
  it("keeps them when an instance needs those of another", async () => {
    delegate("root:1000000:131072");
    for (const uuid of ["a", "b"]) await claim(uuid);
    for (const uuid of ["a", "b"]) rmSync(join(folder, `${uuid}.json`));
    await claim("c");
    expect(claims()).toHaveLength(2);
  });
  it("loses them to an instance whose request names them", async () => {
    const { base } = await claim("a");
    writeFileSync(join(folder, "a.json"), "{}");
    expect((await claim("c", { ...ALONE, base })).base).toBe(base);
  });
});

describe("the ids at a start", () => {
  const keep = (uuid: string, range: { base: number; count: number }, request = ALONE) =>
    open().keep(owner(uuid), request, range, {});

  it("are those that the instance has", async () => {
    const range = await claim("a");
    addProcess("9", "user:[9]", `0 ${range.base} 65536`);
    expect(await keep("a", range)).toEqual(range);
  });
  it("stay the same if /etc/subuid can no longer be read", async () => {
    const range = await claim("a");
    etc("subuid", "anna");
    expect(await keep("a", range)).toEqual(range);
    rmSync(join(folder, "claims"), { recursive: true });
    await expect(keep("a", range)).rejects.toMatchObject({ code: "ERR_HOST" });
  });
  it("are not those that a user has by now, even if another line cannot be read", async () => {
    const range = await claim("a");
    etc("subuid", `anna:${range.base}:65536`, "carla");
    await expect(keep("a", range)).rejects.toMatchObject({ code: "ERR_HOST" });
  });
  it("stay the same if the folder of claims was lost and no other instance has them", async () => {
    const range = await claim("a");
    rmSync(join(folder, "claims"), { recursive: true });
    expect(await keep("a", range)).toEqual(range);
    expect(claims()).toEqual([`${range.base}-65536-a`]);
  });
  it("are new ones if another instance has got the old ones", async () => {
    const range = await claim("a");
    rmSync(join(folder, "claims"), { recursive: true });
    await claim("b", { ...ALONE, base: range.base });
    expect(overlap(await keep("a", range), range)).toBe(false);
    expect(claims()).toHaveLength(2);
  });
  it("are new ones if a user has got the old ones, which are given back", async () => {
    const range = await claim("a");
    delegate(`anna:${range.base}:65536`);
    const kept = await keep("a", range);
    expect(overlap(kept, range)).toBe(false);
    expect(claims()).toEqual([`${kept.base}-65536-a`]);
    expect(await keep("a", kept)).toEqual(kept);
  });
  it("are refused if a user has the ones that the configuration names", async () => {
    const request = { ...ALONE, base: 5_000_000 };
    const range = await claim("a", request);
    delegate("anna:5000000:65536");
    await expect(keep("a", range, request)).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });
  it("are claimed for the record's new place after its root folder was moved", async () => {
    const range = await claim("a");
    const record = join(folder, "moved.json");
    writeFileSync(record, JSON.stringify({ uuid: "a" }));
    expect(await ids.keep({ uuid: "a", record }, ALONE, range, {})).toEqual(range);
    expect(readlinkSync(join(folder, "claims", `${range.base}-65536-a`))).toBe(record);
  });
  it("are the current shared range if the instance shares ids", async () => {
    const range = await claim("a", SHARED);
    expect(await keep("a", range, SHARED)).toEqual(range);
    rmSync(join(folder, "claims"), { recursive: true });
    await claim("b", { ...ALONE, base: range.base });
    const kept = await keep("a", range, SHARED);
    expect(overlap(kept, range)).toBe(false);
    expect(await keep("c", range, SHARED)).toEqual(kept);
  });
});

describe("the id of a process", () => {
  it("is none of a domain's users, of other instances, or of a program that belongs to none", () => {
    // sssd-ad(5), ldap_idmap_range_max.
    expect(PROCESS_POOL.base).toBeGreaterThanOrEqual(2_000_200_000);
    expect(overlap(PROCESS_POOL, DEFAULT_POOL)).toBe(false);
    expect(overlap(PROCESS_POOL, { base: SPARE_ID, count: 1 })).toBe(false);
    expect(overlap(DEFAULT_POOL, { base: SPARE_ID, count: 1 })).toBe(false);
    expect(SPARE_ID).toBeLessThan(2 ** 31 - 1);
  });

  const PROCESS: IdmapRequest = { mode: "isolated", use: "process", count: 1, path: ["qemu", "user"] };

  it("comes from a pool of its own, even if root has few subordinate ids, and no other instance has it", async () => {
    delegate("root:1000000:65536");
    await claim("a");
    const bases = new Set<number>();
    for (let index = 0; index < 50; index++) bases.add((await claim(`machine ${index}`, PROCESS)).base);
    expect(bases.size).toBe(50);
    expect(Math.min(...bases)).toBeGreaterThanOrEqual(endOf(DEFAULT_POOL));
    expect(Math.max(...bases)).toBeLessThan(2 ** 31);
    ids.release("machine 0");
    expect(claims()).toHaveLength(50);
  });

  it.each([
    ["a line that cannot be read", ["root:1000000"], ["root:1000000:65536"]],
    ["lines of root that have no ids in common", ["root:1000000:65536"], ["root:3000000:65536"]],
  ])("does not depend on subordinate ids, not even on %s", async (_, uids, gids) => {
    const range = await claim("before", PROCESS);
    etc("subuid", ...uids);
    etc("subgid", ...gids);
    expect((await claim("a", PROCESS)).base).toBeGreaterThanOrEqual(endOf(DEFAULT_POOL));
    expect(await open().keep(owner("before"), PROCESS, range, {})).toEqual(range);
    rmSync(join(folder, "claims"), { recursive: true });
    expect(await open().keep(owner("before"), PROCESS, range, {})).toEqual(range);
    await expect(claim("b")).rejects.toMatchObject({ code: "ERR_HOST" });
  });

  it("is refused, with what to configure instead, in a user namespace without such ids", async () => {
    rmSync(join(folder, "proc/self"), { recursive: true });
    addProcess("self", "user:[1]", "0 1000000 65536");
    await expect(claim("a", PROCESS)).rejects.toMatchObject({
      missing: [{ need: "ids", fix: "name an account of this host in qemu.user" }],
    });
  });
});
