import { rename } from "node:fs/promises";
import { z } from "zod";
import type { InstanceKind } from "../contract/instance.ts";
import type { InstanceState } from "../contract/state.ts";
import { CommonConfigSchema, type InstanceConfig } from "../model/config.ts";
import { InstanceExitSchema } from "../model/exit.ts";
import { ImageSchema } from "../model/image.ts";
import { replaceFileOnFullDisk } from "../system/replace-file.ts";
import { parseJson } from "../text/bounded-json.ts";

const KINDS: Readonly<Record<InstanceKind, true>> = {
  "system-container": true,
  "application-container": true,
  "virtual-machine": true,
};
const STATES: Readonly<Record<InstanceState, true>> = {
  stopped: true,
  starting: true,
  running: true,
  freezing: true,
  frozen: true,
  stopping: true,
  error: true,
};

/** The version of the format that this release writes. A reader refuses a later one. */
export const RECORD_VERSION = 1;

/** `instance.json`: all that is known of an instance, and the only truth about it that is shared between processes. */
export const InstanceRecordSchema = z.strictObject({
  version: z.literal(RECORD_VERSION),
  uuid: z.uuid(),
  kind: z.enum(Object.keys(KINDS) as InstanceKind[]),
  /** Loose: the driver's section was checked by its schema when it was written, and this host may lack the driver. */
  config: z.looseObject(CommonConfigSchema.shape).transform((config) => config as InstanceConfig),
  /** The image as it was at create. */
  image: ImageSchema,
  createdAt: z.number(),
  /** `creating` and `deleting` under a free lock are what a crash cut short: undone and finished at the next open. */
  phase: z.enum(["creating", "ready", "deleting"]),
  /**
   * As last known. `starting` under a free lock, and `stopping` while nobody waits for the end, are what a crash cut
   * short. `freezing` is passed through and never on record.
   */
  state: z.enum(Object.keys(STATES) as InstanceState[]),
  /**
   * Tells the run under way, or the last one, from every other: a late word about an older one is then not taken for
   * it.
   */
  run: z.uuid().optional(),
  /** A stop was asked for in this run, and nobody has given up on it since. */
  asked: z.boolean().optional(),
  startedAt: z.number().optional(),
  exit: InstanceExitSchema.optional(),
  error: z.string().optional(),
});
export type InstanceRecord = z.output<typeof InstanceRecordSchema>;

/** What stands where a record should. */
export type RecordReading =
  | { readonly kind: "record"; readonly record: InstanceRecord }
  | { readonly kind: "absent" }
  /** Written by a later release, which may be at work on it: left where it is. */
  | { readonly kind: "newer"; readonly version: number }
  | { readonly kind: "garbage"; readonly reason: string };

export function parseRecord(text: string): RecordReading {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    return { kind: "garbage", reason: (error as SyntaxError).message };
  }
  const newer = z.object({ version: z.number().int().gt(RECORD_VERSION) }).safeParse(json);
  if (newer.success) return { kind: "newer", version: newer.data.version };
  const parsed = InstanceRecordSchema.safeParse(json);
  if (parsed.success) return { kind: "record", record: parsed.data };
  return { kind: "garbage", reason: z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, " ") };
}

/** Only under the instance's lock. Works on a full disk: what runs there must be stopped and deleted all the same. */
export function writeRecord(path: string, record: InstanceRecord): Promise<void> {
  return replaceFileOnFullDisk(path, `${JSON.stringify(record, undefined, 2)}\n`);
}

/**
 * Moves a record that cannot be read out of the way, to be looked at by a person. Returns where it is now. Only under
 * the lock.
 */
export async function setRecordAside(path: string): Promise<string> {
  const aside = `${path}.unreadable`;
  await rename(path, aside);
  return aside;
}
