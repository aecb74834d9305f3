import { TarFault } from "./header.ts";

/** The records of a pax header: `length key=value\n` (pax(1), "pax Extended Header"). Values are byte strings. */
export function parsePax(body: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < body.length) {
    // GNU and Go tolerate NULs after the last record.
    if (body[at] === 0) break;
    const space = body.indexOf(32, at);
    const digits = body.toString("latin1", at, space);
    const end = at + Number(digits);
    if (!/^[0-9]{1,10}$/.test(digits) || body[end - 1] !== 10) throw new TarFault("has a malformed pax header");
    const record = body.toString("latin1", space + 1, end - 1);
    const equals = record.indexOf("=");
    if (equals < 1) throw new TarFault("has a malformed pax header");
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (SPARSE_0_0.has(key)) {
      // Only this key repeats: it is kept in the form of pax 0.1.
      const map = records.get(SPARSE_MAP);
      records.set(SPARSE_MAP, map === undefined ? value : `${map},${value}`);
    } else records.set(key, value);
    at = end;
  }
  return records;
}

/** Renders one record; its length counts its own digits. */
export function renderPaxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`.length;
  const length = rest + String(rest + String(rest).length).length;
  return `${length} ${key}=${value}\n`;
}

const SPARSE_0_0: ReadonlySet<string> = new Set(["GNU.sparse.offset", "GNU.sparse.numbytes"]);
const SPARSE_MAP = "GNU.sparse.map";

const XATTR = "SCHILY.xattr.";

/** The extended attributes among pax records, by name (star(5) and what GNU tar and Go write). */
export function paxXattrs(records: ReadonlyMap<string, string>): Map<string, string> {
  const xattrs = new Map<string, string>();
  for (const [key, value] of records) {
    if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
  }
  return xattrs;
}

export function paxXattrKey(name: string): string {
  return XATTR + name;
}
