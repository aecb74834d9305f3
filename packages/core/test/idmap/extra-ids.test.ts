import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IdmapRequest } from "../../src/contract/backend.ts";
import { SPARE_ID } from "../../src/idmap/host-ids.ts";
import { IdRanges } from "../../src/idmap/id-ranges.ts";
import { endOf, overlap } from "../../src/terms/id-range.ts";
import type { IdmapLine } from "../../src/terms/idmap.ts";

const ALONE: IdmapRequest = { mode: "isolated", count: 65_536, path: ["lxc", "idmap", "base"] };
const SHARED: IdmapRequest = { ...ALONE, mode: "shared" };
const POOL = 10_000_000;

let folder: string;
let ids: IdRanges;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-extra-"));
  mkdirSync(join(folder, "etc"));
  addProcess("self", "user:[1]", "0 0 4294967295");
  // Two ranges: which one it is does not depend on luck.
  subordinate(`root:${POOL}:131072`);
  ids = new IdRanges({ etc: join(folder, "etc"), proc: join(folder, "proc"), claims: join(folder, "claims") });
});
afterEach(() => rm(folder, { recursive: true }));

function subordinate(...lines: readonly string[]): void {
  for (const name of ["subuid", "subgid"])
    writeFileSync(join(folder, "etc", name), lines.map((line) => `${line}\n`).join(""));
}

function addProcess(pid: string, namespace: string, map: string): void {
  const process = join(folder, "proc", pid);
  mkdirSync(join(process, "ns"), { recursive: true });
  symlinkSync(namespace, join(process, "ns/user"));
  for (const kind of ["uid_map", "gid_map"]) writeFileSync(join(process, kind), map);
}

/** An instance with a record. */
function owner(uuid: string) {
  const record = join(folder, `${uuid}.json`);
  writeFileSync(record, JSON.stringify({ uuid }));
  return { uuid, record };
}

const line = (outside: number, more: Partial<IdmapLine> = {}): IdmapLine => {
  return { inside: 1000, outside, count: 1, of: "both", ...more };
};
const claim = (uuid: string, extra: readonly IdmapLine[] = [], request = ALONE) =>
  ids.claim(owner(uuid), { ...request, extra }, ids.view(), {});
const claims = () => readdirSync(join(folder, "claims")).filter((name) => name !== "lock");
const refusal = (message: RegExp, index = 0) => ({
  code: "ERR_CONFIG",
  issues: [{ path: ["lxc", "idmap", "extra", index, "outside"], message: expect.stringMatching(message) }],
});

describe("an id of the host in an extra line", () => {
  it("may be one of an account, and several instances may have it", async () => {
    writeFileSync(join(folder, "etc/passwd"), "anna:x:1000:100::/:/bin/sh\nldap:x:300000:100::/:/bin/sh\n");
    const given = [await claim("a", [line(1000), line(300_000)]), await claim("b", [line(1000), line(300_000)])];
    expect(new Set(given.map(({ base }) => base))).toEqual(new Set([POOL, POOL + 65_536]));
    expect(claims()).toHaveLength(6);
    ids.release("a");
    expect(claims().filter((name) => name.endsWith("-b"))).toHaveLength(3);
    expect(claims()).toHaveLength(3);
  });

  it.each([
    ["beside a range of its own", ALONE],
    ["beside the shared range", SHARED],
  ])("%s, is in no range, neither its own nor a later one", async (_, request) => {
    subordinate(`root:${POOL}:262144`);
    const extra = [line(POOL + 10), line(POOL + 65_536, { count: 65_537, of: "gid" })];
    const own = await claim("a", extra, request);
    expect(own).toEqual({ base: POOL + 3 * 65_536, count: 65_536 });
    await expect(claim("b")).rejects.toMatchObject({ code: "ERR_HOST" });
    ids.release("a");
    if (request === ALONE) expect(await claim("b")).not.toMatchObject({ base: POOL + 4 * 65_536 });
  });

  it("is refused if it is in the range of another instance, unless that instance is gone", async () => {
    const other = await claim("a");
    await expect(claim("b", [line(5), line(endOf(other) - 1)])).rejects.toMatchObject(
      refusal(/^id \d+ would be shared: \d+ to \d+ belong to the instance of .*a\.json; name ids of accounts/, 1),
    );
    expect(claims()).toHaveLength(1);
    rmSync(join(folder, "a.json"));
    await claim("b", [line(other.base)]);
    // It comes back.
    subordinate(`root:${POOL}:262144`);
    writeFileSync(join(folder, "a.json"), "a");
    const kept = await ids.keep(owner("a"), ALONE, other, {});
    expect(overlap(kept, other)).toBe(false);
  });

  it("is refused in the range of a running instance whose record cannot be found just now", async () => {
    const other = await claim("a");
    addProcess("7", "user:[7]", `0 ${other.base} ${other.count}\n`);
    rmSync(join(folder, "a.json"));
    await expect(claim("b", [line(other.base)])).rejects.toMatchObject(refusal(/the container with process 7/));
    expect(claims()).toHaveLength(1);
  });

  it("is refused in the range that instances share, in one's own, and as that of programs without rights", async () => {
    const shared = await claim("a", [], SHARED);
    await expect(claim("b", [line(shared.base)], SHARED)).rejects.toMatchObject(
      refusal(/instances that share their ids/),
    );
    await expect(claim("b", [line(SPARE_ID)])).rejects.toMatchObject(refusal(/programs of this host/));
    await expect(claim("b", [line(20_000_001)], { ...ALONE, base: 20_000_000 })).rejects.toMatchObject({
      issues: [{ path: ["lxc", "idmap", "base"], message: expect.stringContaining("its own extra lines") }],
    });
  });

  it("is refused if it is one of a user's subordinate ids, with the line of the file", async () => {
    subordinate(`root:${POOL}:131072`, "anna:100000:65536");
    await expect(claim("b", [line(99_999, { count: 2 })])).rejects.toMatchObject(
      refusal(/^ids 99999 to 100000 would be shared: 100000 to 165535 belong to the user "anna" \(.*subuid, line 2\)/),
    );
  });

  it("is refused in the range of a container that another program made, but not if programs run as that account", async () => {
    addProcess("7", "user:[7]", "0 700000 65536\n");
    addProcess("8", "user:[8]", "1000 300000 1\n");
    addProcess("9", "user:[9]", "0 0 65536\n");
    await expect(claim("a", [line(700_001)])).rejects.toMatchObject(refusal(/the container with process 7/));
    await claim("a", [line(300_000), line(1000)]);
  });

  it("may be one of a running instance with the same lines", async () => {
    await claim("a", [line(300_000, { count: 10 })]);
    addProcess("7", "user:[7]", "1000 300000 10\n");
    await claim("b", [line(300_000, { count: 10 })]);
  });

  it("is refused if this user namespace does not have it", async () => {
    for (const kind of ["uid_map", "gid_map"]) writeFileSync(join(folder, "proc/self", kind), "0 500000 20000000\n");
    await expect(claim("a", [line(20_000_000)])).rejects.toMatchObject(
      refusal(/not all are ids of this user namespace/),
    );
  });
});

describe("at a start, extra lines", () => {
  const extra = [line(POOL + 10)];
  const request = { ...ALONE, extra };
  const keep = (uuid: string, range: { base: number; count: number }) =>
    ids.keep(owner(uuid), request, { ...range, extra } as typeof range, {});

  it("stay with the range, and are claimed again if the claims were lost", async () => {
    const range = await claim("a", extra);
    expect(await keep("a", range)).toEqual(range);
    const before = claims();
    rmSync(join(folder, "claims"), { recursive: true });
    expect(await keep("a", range)).toEqual(range);
    expect(claims()).toEqual(before);
  });

  it("are refused if another instance has got a range with these ids since the claims were lost", async () => {
    const range = await claim("a", extra);
    rmSync(join(folder, "claims"), { recursive: true });
    for (let number = 0; number < 2; number += 1) await claim(`other-${number}`);
    await expect(keep("a", range)).rejects.toMatchObject(refusal(/the instance of .*other-/));
  });

  it("stay when the range must change, which then avoids them", async () => {
    const range = await claim("a", extra);
    subordinate(`root:${POOL}:262144`, `anna:${range.base}:1`);
    const next = await keep("a", range);
    expect([range, ...extra.map(({ outside }) => ({ base: outside, count: 1 }))].some((of) => overlap(of, next))).toBe(
      false,
    );
    expect(claims()).toHaveLength(2);
  });
});
