import { z } from "zod";
import { ConfigError, HostError } from "../contract/errors.ts";
import type { InstanceExit, InstanceState } from "../contract/state.ts";
import { CommonConfigSchema, type InstanceConfig } from "../model/config.ts";
import { NicIpv4Schema, NicSchema } from "../model/device/nic.ts";
import { InstanceExitSchema } from "../model/exit.ts";
import { type Image, ImageSchema } from "../model/image.ts";
import { InstanceKindSchema } from "../model/instance-kind.ts";
import { LimitsSchema, MemoryLimitSchema } from "../model/limits.ts";
import { shorthand } from "../model/shorthand.ts";
import { wording } from "../model/wording.ts";
import { replaceFileOnFullDisk } from "../system/replace-file.ts";
import { MAX_SMALL_FILE } from "../system/small-file.ts";
import { parseJson } from "../text/bounded-json.ts";
import { OwnerSchema } from "./owner.ts";

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

const LooseNicSchema = z.looseObject({
  ...NicSchema.shape,
  ipv4: shorthand("address", z.looseObject(NicIpv4Schema.shape)).optional(),
});

/**
 * Read loosely, at every depth: what another release added, a device of a type that this one lacks or a driver's
 * section stays as it is, and is written back.
 */
const LooseConfigSchema = z
  .looseObject({
    ...CommonConfigSchema.shape,
    limits: z
      .looseObject({
        ...LimitsSchema.shape,
        memory: shorthand("limit", z.looseObject(MemoryLimitSchema.shape)).optional(),
      })
      .default({}),
    devices: z
      .record(z.string(), z.union([LooseNicSchema, z.looseObject({ type: z.string().regex(/^(?!nic$)/) })]))
      .default({}),
  })
  .transform((config) => config as unknown as InstanceConfig);

const SHAPE = {
  version: z.literal(RECORD_VERSION),
  uuid: z.uuid(),
  kind: InstanceKindSchema,
  config: LooseConfigSchema,
  /** The image as it was at create. */
  image: z.looseObject(ImageSchema.shape).transform((image) => image as Image),
  createdAt: z.number(),
  /** The process that is to delete it, if it is ephemeral. */
  owner: OwnerSchema.optional(),
  /** Milliseconds since the epoch. An instance that has expired does not run. */
  expiresAt: z.number().optional(),
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
  exit: z
    .looseObject(InstanceExitSchema.shape)
    .transform((exit) => exit as InstanceExit)
    .optional(),
  error: z.string().optional(),
};

/** `instance.json`: all that is known of an instance, and the only truth about it that is shared between processes. */
export type InstanceRecord = z.output<z.ZodObject<typeof SHAPE>>;
export const InstanceRecordSchema = z.looseObject(SHAPE);
const NewerRecordSchema = z.looseObject({ ...SHAPE, version: z.number().int().gt(RECORD_VERSION) });

/** What stands where a record should. */
export type RecordReading =
  | { readonly kind: "record"; readonly record: InstanceRecord }
  | { readonly kind: "absent" }
  /** Written by a later release, which may be at work on it: left as it is; told as far as this one can read it. */
  | { readonly kind: "newer"; readonly version: number; readonly record: InstanceRecord | undefined }
  /** Left where it is, too: what it is of may run. */
  | { readonly kind: "garbage"; readonly reason: string };

export function parseRecord(text: string): RecordReading {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    return { kind: "garbage", reason: (error as SyntaxError).message };
  }
  const newer = z.object({ version: z.number().int().gt(RECORD_VERSION) }).safeParse(json);
  if (newer.success) {
    const { version } = newer.data;
    const { data } = NewerRecordSchema.safeParse(json);
    return { kind: "newer", version, record: data && { ...data, version: RECORD_VERSION } };
  }
  const parsed = InstanceRecordSchema.safeParse(json, { error: wording });
  if (parsed.success) return { kind: "record", record: parsed.data };
  return { kind: "garbage", reason: z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, " ") };
}

/** Only under the instance's lock. Works on a full disk: what runs there must be stopped and deleted all the same. */
export async function writeRecord(path: string, record: InstanceRecord): Promise<void> {
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  const size = Buffer.byteLength(text);
  if (size > MAX_SMALL_FILE) {
    const message = `it takes ${size} bytes as JSON, and may take ${MAX_SMALL_FILE}`;
    throw new ConfigError("instance config", [{ path: [], message }]);
  }
  await replaceFileOnFullDisk(path, text);
}

/** Why an instance whose record is of no use to this release cannot be used. */
export function unusable(
  name: string,
  path: string,
  reading: RecordReading & { kind: "newer" | "garbage" },
): HostError {
  const missing =
    reading.kind === "newer"
      ? {
          need: "release",
          reason: newerThanThis(reading.version),
          fix: "use the release that wrote it, or a later one",
        }
      : {
          need: `file:${path}`,
          reason: `the record cannot be read: ${reading.reason}`,
          fix: "put it right from a copy; or end what runs of the instance by hand, and remove its folder",
        };
  return new HostError(`use instance "${name}"`, [missing]);
}

/** What is told of a record that a later release wrote. */
export function newerThanThis(version: number): string {
  return `its record is of version ${version}, which a later release wrote`;
}
