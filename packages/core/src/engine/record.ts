import { z } from "zod";
import { ConfigError, HostError } from "../contract/errors.ts";
import type { InstanceExit, InstanceState } from "../contract/state.ts";
import { CommonConfigSchema, type InstanceConfig } from "../model/config.ts";
import { NicIpv4Schema, NicSchema } from "../model/device/nic.ts";
import { InstanceExitSchema } from "../model/exit.ts";
import { type Image, ImageSchema } from "../model/image.ts";
import { InstanceKindSchema } from "../model/instance-kind.ts";
import { LimitsSchema, MemoryLimitSchema } from "../model/limits.ts";
import { nestKeys } from "../model/nest-keys.ts";
import { shorthand } from "../model/shorthand.ts";
import { wording } from "../model/wording.ts";
import type { Idmap } from "../system/idmap.ts";
import { replaceFileOnFullDisk } from "../system/replace-file.ts";
import { MAX_SMALL_FILE } from "../system/small-file.ts";
import { parseJson } from "../text/bounded-json.ts";
import { OwnerProcessSchema } from "./owner-process.ts";

const STATES: Readonly<Record<InstanceState, true>> = {
  stopped: true,
  starting: true,
  running: true,
  freezing: true,
  frozen: true,
  stopping: true,
  error: true,
};

/** The version of the format that this release writes. It refuses to read a later one. */
export const RECORD_VERSION = 1;

const LooseNicSchema = z.preprocess(
  nestKeys,
  z.looseObject({
    ...NicSchema.shape,
    ipv4: shorthand("address", z.looseObject(NicIpv4Schema.shape)).optional(),
  }),
);

/**
 * Read loosely at every depth: keys of another release, devices of an unknown type and sections of drivers are kept and
 * written back unchanged.
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
  /** The image as it was when the instance was created. */
  image: z.looseObject(ImageSchema.shape).transform((image) => image as Image),
  createdAt: z.number(),
  /** The range of ids of the host that it has. Absent: it needs none, or a release that gave none created it. */
  idmap: z
    .looseObject({ base: z.number(), count: z.number() })
    .transform((idmap): Idmap => idmap)
    .optional(),
  /** The process that created it, if it is ephemeral. */
  owner: OwnerProcessSchema.optional(),
  /** Milliseconds since the epoch. An instance that has expired does not run. */
  expiresAt: z.number().optional(),
  /** `creating` and `deleting` under a free lock were cut short by a crash: the next open undoes or finishes them. */
  phase: z.enum(["creating", "ready", "deleting"]),
  /**
   * The last known state. `starting` under a free lock, and `stopping` while no process waits for the end, were cut
   * short by a crash. `freezing` is never recorded.
   */
  state: z.enum(Object.keys(STATES) as InstanceState[]),
  /** Identifies the current or the last run, so that a late report about an older run is not taken for it. */
  run: z.uuid().optional(),
  /** A stop of this run was requested, and no caller has given up on it since. */
  stopRequested: z.boolean().optional(),
  startedAt: z.number().optional(),
  exit: z
    .looseObject(InstanceExitSchema.shape)
    .transform((exit) => exit as InstanceExit)
    .optional(),
  error: z.string().optional(),
};

/** `instance.json`: everything known about an instance, and the only truth that processes share. */
export type InstanceRecord = z.output<z.ZodObject<typeof SHAPE>>;
export const InstanceRecordSchema = z.looseObject(SHAPE);
const NewerRecordSchema = z.looseObject({ ...SHAPE, version: z.number().int().gt(RECORD_VERSION) });

/** The result of reading a record. */
export type RecordReading =
  | { readonly kind: "record"; readonly record: InstanceRecord }
  | { readonly kind: "absent" }
  /**
   * Written by a later release, which may be using it: left unchanged, and shown as far as this release can read it.
   */
  | { readonly kind: "newer"; readonly version: number; readonly record: InstanceRecord | undefined }
  /** Left unchanged too: its instance may be running. */
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

/** Only under the instance's lock. Works on a full disk: instances must be stopped and deleted there too. */
export async function writeRecord(path: string, record: InstanceRecord): Promise<void> {
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  const size = Buffer.byteLength(text);
  if (size > MAX_SMALL_FILE) {
    const message = `it is ${size} bytes of JSON, more than the limit of ${MAX_SMALL_FILE}`;
    throw new ConfigError("instance config", [{ path: [], message }]);
  }
  await replaceFileOnFullDisk(path, text);
}

/** The error for an instance whose record this release cannot use. */
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
          fix: "restore it from a copy, or kill what runs of the instance by hand and remove its folder",
        };
  return new HostError(`use instance "${name}"`, [missing]);
}

/** The reason for a record that a later release wrote. */
export function newerThanThis(version: number): string {
  return `its record has version ${version}, which a later release wrote`;
}
