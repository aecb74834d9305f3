import { systemError } from "../errors/system-error.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { FileCalls } from "./file-calls.ts";
import type { TreeAccess } from "./tree-access.ts";

// The extended attributes that travel with a tree (xattr(7)): `user.*` of files and folders, and file capabilities.
// POSIX ACLs name users of the system that they come from, labels belong to its policy, `trusted.*` to its programs.

/** A name and a value, both byte strings. */
type Xattr = readonly [string, string];

export const NO_XATTRS: ReadonlyMap<string, string> = new Map();

const CAPABILITY = "security.capability";
/** Any bytes but 0, which ends a name, and "=", which ends the key of a pax record. */
const USER = /^user\.[^\0=]+$/;

/** Bounds for one file. Those of a name and a value are the kernel's: linux/limits.h. */
const MAX = { name: 255, value: 65_536, count: 1024, total: 512 * 1024 } as const;

/**
 * The attributes of an open file, or of the folder at a path, that are packed.
 * @throws `E2BIG` where they are more than would be unpacked.
 */
export function readXattrs(
  calls: FileCalls,
  target: number | Buffer,
  type: "file" | "directory",
): ReadonlyMap<string, string> {
  const names = calls.xattrNames(target).filter((name) => travels(name, type));
  if (names.length === 0) return NO_XATTRS;
  return bounded(valuesOf(calls, target, names), (excess) => systemError("E2BIG", "attributes", excess));
}

function* valuesOf(calls: FileCalls, target: number | Buffer, names: readonly string[]): Generator<Xattr, void> {
  for (const name of names) {
    const value = calls.xattr(target, name);
    // The capabilities of another user namespace would mean nothing elsewhere.
    if (value === undefined || (name === CAPABILITY && !isPlainCapability(value))) continue;
    yield [name, value.toString("latin1")];
  }
}

/** The attributes of an entry that are unpacked. @throws what `refusal` returns if a real file cannot have as many */
export function travellingXattrs(
  { type, xattrs }: TarEntry,
  refusal: (why: string) => Error,
): ReadonlyMap<string, string> {
  if (xattrs.size === 0 || (type !== "file" && type !== "directory")) return NO_XATTRS;
  return bounded(
    [...xattrs].filter(([name]) => travels(name, type)),
    (excess) => refusal(`has ${excess}`),
  );
}

/**
 * Sets attributes of an open file, or of the folder at a path. Those of a kind that its file system does not know are
 * left out, as `cp -a` does.
 */
export function setXattrs(
  { calls, capability }: TreeAccess,
  target: number | Buffer,
  xattrs: ReadonlyMap<string, string>,
): void {
  for (const [name, text] of xattrs) {
    const value = Buffer.from(text, "latin1");
    const given = name === CAPABILITY ? capability(value) : value;
    if (given !== undefined) calls?.setXattr(target, name, given);
  }
}

const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
const REVISION = 0xff000000;

/**
 * Capabilities that hold only in the user namespace whose root has the id `root` here: struct vfs_ns_cap_data of
 * linux/capability.h. `undefined` for a value that is not a struct vfs_cap_data.
 */
export function capabilityOfNamespace(value: Buffer, root: number): Buffer | undefined {
  if (!isPlainCapability(value)) return undefined;
  const own = Buffer.alloc(24);
  value.copy(own);
  own.writeUInt32LE(value.readUInt32LE(0) - REVISION_2 + REVISION_3, 0);
  own.writeUInt32LE(root, 20);
  return own;
}

function isPlainCapability(value: Buffer): boolean {
  return value.length === 20 && (value.readUInt32LE(0) & REVISION) === REVISION_2;
}

function travels(name: string, type: "file" | "directory"): boolean {
  return USER.test(name) || (type === "file" && name === CAPABILITY);
}

/** All of them, one by one: there may be more than would fit in memory. */
function bounded(xattrs: Iterable<Xattr>, refusal: (excess: string) => Error): ReadonlyMap<string, string> {
  const kept = new Map<string, string>();
  let total = 0;
  const assertAtMost = (max: number, count: number, what: string) => {
    if (count > max) throw refusal(`${what}, more than ${max}`);
  };
  for (const [name, value] of xattrs) {
    total += name.length + value.length;
    kept.set(name, value);
    assertAtMost(MAX.name, name.length, `an extended attribute with a name of ${name.length} bytes`);
    assertAtMost(MAX.value, value.length, `an extended attribute of ${value.length} bytes`);
    assertAtMost(MAX.count, kept.size, `${kept.size} extended attributes`);
    assertAtMost(MAX.total, total, `extended attributes of ${total} bytes`);
  }
  return kept;
}
