import { readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { NameSchema } from "../../model/name.ts";
import type { Layout } from "../root/layout.ts";
import type { InstanceRecord, RecordReading } from "./record.ts";
import type { Records } from "./records.ts";

/**
 * The names of instances: `names/<name>` is a symlink to the folder of the instance, which is named by its uuid. A link
 * counts only while the record in that folder has the name too: the record decides. A link that does not count was left
 * by a create, a rename or a delete that was cut short. Only the holder of the instance's lock adds or removes links to
 * it.
 */
interface Place {
  readonly layout: Layout;
  readonly records: Records;
}

/** The key of an instance: the name of its folder and of its lock. */
export function keyOf({ folder, config }: Pick<InstanceRecord, "folder" | "config">): string {
  return folder ?? config.name;
}

/** The record of the instance of that name, as {@link Records.read} returns it, and its key. */
export function readByName({ layout, records }: Place, name: string): { key: string; reading: RecordReading } {
  // An instance of an early release lies in the folder of its name, without a link.
  const key = targetOf(layout, name) ?? name;
  const reading = records.read(key);
  const record = reading.kind === "record" || reading.kind === "newer" ? reading.record : undefined;
  if (record === undefined || record.config.name === name) return { key, reading };
  return { key, reading: { kind: "absent" } };
}

/** The key that the link of that name leads to; `undefined` when there is none. */
export function targetOf(layout: Layout, name: string): string | undefined {
  try {
    const key = basename(readlinkSync(layout.name(name)));
    return NameSchema.safeParse(key).success ? key : undefined;
  } catch (error) {
    if (["ENOENT", "EINVAL", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Makes the link. Returns whether the name was free. */
export function link(layout: Layout, name: string, key: string): boolean {
  try {
    symlinkSync(join(relative(layout.names, layout.instances), key), layout.name(name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the link if it leads to that key. Idempotent. */
export function unlink(layout: Layout, name: string, key: string): void {
  if (targetOf(layout, name) !== key) return;
  try {
    unlinkSync(layout.name(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** The names whose links lead to folders that do not exist, with their keys. */
export async function danglingNames(
  layout: Layout,
  keys: readonly string[],
): Promise<readonly (readonly [string, string])[]> {
  const known = new Set(keys);
  return (await readdir(layout.names)).flatMap((name) => {
    const key = targetOf(layout, name);
    return key === undefined || known.has(key) ? [] : [[name, key] as const];
  });
}

/** Removes all links to that key. */
export async function unlinkAll(layout: Layout, key: string): Promise<void> {
  for (const name of await readdir(layout.names)) unlink(layout, name, key);
}

/** What to call the instance with that key in messages: its name, or the one whose link leads there, else the key. */
export async function labelOf({ layout, records }: Place, key: string): Promise<string> {
  const reading = records.read(key);
  if (reading.kind === "record") return reading.record.config.name;
  return (await readdir(layout.names)).find((name) => targetOf(layout, name) === key) ?? key;
}
