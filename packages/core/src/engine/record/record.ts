import { z } from "zod";
import { ConfigError, HostError } from "../../errors/all.ts";
import { CommonConfigSchema, type InstanceConfig } from "../../model/config.ts";
import { NicSchema } from "../../model/device/nic.ts";
import { ImageSchema } from "../../model/image.ts";
import { loosened } from "../../model/loosened.ts";
import { NameSchema } from "../../model/name.ts";
import { nestKeys } from "../../model/nest-keys.ts";
import { newerThanThis, refuseNewer, STORED, tooNew } from "../../model/stored.ts";
import { wording } from "../../model/wording.ts";
import { type ReplaceOptions, replaceFileOnFullDisk } from "../../system/replace-file.ts";
import { MAX_SMALL_FILE } from "../../system/small-file.ts";
import { InstanceExitSchema } from "../../terms/exit.ts";
import type { Idmap } from "../../terms/idmap.ts";
import { InstanceKindSchema } from "../../terms/instance-kind.ts";
import type { InstanceState } from "../../terms/state.ts";
import { parseJson } from "../../text/bounded-json.ts";
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

/**
 * The version of the format that this release writes. It changes no record that needs a later one. The second has extra
 * lines in the map of ids.
 */
export const RECORD_VERSION = 2;

/** The oldest format whose releases may change a record: one of the first would leave extra lines out of the map. */
export function minReaderOf(idmap: Idmap | undefined): number {
  return idmap?.extra === undefined ? 1 : 2;
}

// A schema with refinements cannot be extended: those of a nic concern what a caller writes.
const StoredNicSchema = z.preprocess(nestKeys, loosened(z.object(NicSchema.shape)));

/**
 * Read loosely at every depth: keys of another release, devices of an unknown type and sections of drivers are kept and
 * written back unchanged.
 */
const StoredConfigSchema = loosened(CommonConfigSchema).extend({
  devices: z
    .record(z.string(), z.union([StoredNicSchema, z.looseObject({ type: z.string().regex(/^(?!nic$)/) })]))
    .default({}),
});
const asConfig = (config: z.output<typeof StoredConfigSchema>) => config as unknown as InstanceConfig;

const IdmapLineSchema = z.looseObject({
  inside: z.number(),
  outside: z.number(),
  count: z.number(),
  of: z.enum(["uid", "gid", "both"]),
});

const SHAPE = {
  ...STORED,
  uuid: z.uuid(),
  /** The name of its folder and of its lock: the uuid. Absent in a record of an early release: the name. */
  folder: NameSchema.optional(),
  kind: InstanceKindSchema,
  config: StoredConfigSchema.transform(asConfig),
  /** The image as it was when the instance was created. */
  image: loosened(ImageSchema),
  createdAt: z.number(),
  /** The ids of the host that it has. Absent: it needs none, or a release that gave none created it. */
  idmap: z
    .looseObject({ base: z.number(), count: z.number(), extra: z.array(IdmapLineSchema).optional() })
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
  /** How often the configuration has changed, counted from 1. Absent in a record of an early release: never. */
  generation: z.number().int().positive().optional(),
  /**
   * The generation of the configuration that the current run has; absent while nothing runs. Later than
   * {@link generation}: an update failed, and may have left something in the run.
   */
  applied: z.number().int().positive().optional(),
  /** Identifies the current or the last run, so that a late report about an older run is not taken for it. */
  run: z.uuid().optional(),
  /** A stop of this run was requested, and no caller has given up on it since. */
  stopRequested: z.boolean().optional(),
  startedAt: z.number().optional(),
  exit: loosened(InstanceExitSchema).optional(),
  error: z.string().optional(),
};

/** `instance.json`: everything known about an instance, and the only truth that processes share. */
export type InstanceRecord = z.output<z.ZodObject<typeof SHAPE>>;
export const InstanceRecordSchema = z.looseObject(SHAPE);

/** For a record that this release does not change, only shows: it may have values that are unknown here. */
const NewerRecordSchema = z.looseObject({
  ...SHAPE,
  config: StoredConfigSchema.extend({
    limits: StoredConfigSchema.shape.limits.catch({}),
    devices: StoredConfigSchema.shape.devices.catch({}),
  }).transform(asConfig),
  phase: SHAPE.phase.catch("ready"),
  state: SHAPE.state.catch("error"),
  exit: SHAPE.exit.catch(undefined),
});

/** Whether an update that failed may have left something in the run. */
export function isDoubtful({ generation = 1, applied = generation }: InstanceRecord): boolean {
  return applied > generation;
}

/** The generation of the next change: later than that of any change which the run may have something of. */
export function nextGeneration({ generation = 1, applied = generation }: InstanceRecord): number {
  return Math.max(generation, applied) + 1;
}

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
  const version = tooNew(json, RECORD_VERSION);
  if (version !== undefined) return { kind: "newer", version, record: NewerRecordSchema.safeParse(json).data };
  const parsed = InstanceRecordSchema.safeParse(json, { error: wording });
  if (parsed.success) return { kind: "record", record: parsed.data };
  return { kind: "garbage", reason: z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, " ") };
}

/** Only under the instance's lock. Works on a full disk: instances must be stopped and deleted there too. */
export async function writeRecord(path: string, record: InstanceRecord, options: ReplaceOptions = {}): Promise<void> {
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  const size = Buffer.byteLength(text);
  if (size > MAX_SMALL_FILE) {
    const message = `it is ${size} bytes of JSON, more than the limit of ${MAX_SMALL_FILE}`;
    throw new ConfigError("instance config", [{ path: [], message }]);
  }
  await replaceFileOnFullDisk(path, text, options);
}

/** The error for an instance whose record this release cannot use. */
export function unusable(
  name: string,
  path: string,
  reading: RecordReading & { kind: "newer" | "garbage" },
): HostError {
  const action = `use instance "${name}"`;
  if (reading.kind === "newer") return refuseNewer(action, newerThanThis("its record", reading.version));
  const reason = `the record cannot be read: ${reading.reason}`;
  const fix = "restore it from a copy, or kill what runs of the instance by hand and remove its folder";
  return new HostError(action, [{ need: `file:${path}`, reason, fix }]);
}
