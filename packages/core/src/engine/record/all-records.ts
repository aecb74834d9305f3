import { readdir } from "node:fs/promises";
import type { Abortable } from "../../flow/abortable.ts";
import { NameSchema } from "../../model/name.ts";
import { newerThanThis } from "../../model/stored.ts";
import type { Layout } from "../root/layout.ts";
import type { InstanceRecord } from "./record.ts";
import type { Records } from "./records.ts";

/** Every record that can be read, by name, including those of half-created and half-deleted instances. */
export async function allRecords(
  layout: Layout,
  records: Records,
  options: Abortable = {},
): Promise<readonly InstanceRecord[]> {
  const keys = await instanceKeys(layout);
  options.signal?.throwIfAborted();
  const found = keys.flatMap((key) => {
    const reading = records.read(key);
    if (reading.kind === "record") return reading.record;
    if (reading.kind !== "newer" || reading.record === undefined) return [];
    return { ...reading.record, state: "error" as const, error: newerThanThis("its record", reading.version) };
  });
  return found.sort((a, b) => (a.config.name < b.config.name ? -1 : 1));
}

/** The keys that have a folder. */
export async function instanceKeys(layout: Layout): Promise<readonly string[]> {
  const keys = await readdir(layout.instances);
  return keys.filter((key) => NameSchema.safeParse(key).success).sort();
}
