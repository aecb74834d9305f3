import { renameSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { PlannedRun } from "../../contract/backend.ts";
import type { NicAttachment } from "../../contract/nic-attachment.ts";
import { HostError } from "../../errors/all.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { STORED, tooNew } from "../../model/stored.ts";
import { packageVersion } from "../../system/package-version.ts";
import { readSmallJson } from "../../system/small-file.ts";
import type { Layout } from "../root/layout.ts";
import { keyOf } from "./names.ts";
import { type InstanceRecord, InstanceRecordSchema } from "./record.ts";

/** The version of the format that this release writes. */
const VERSION = 1;

const { uuid, config, image, idmap } = InstanceRecordSchema.shape;
const NicsSchema = z.array(
  z
    .looseObject({
      device: z.string(),
      network: z.string(),
      bridge: z.string(),
      hostInterface: z.string(),
      mac: z.string(),
      ipv4: z.looseObject({ address: z.string(), prefix: z.number(), gateway: z.string() }),
      dns: z.looseObject({ servers: z.array(z.string()), domain: z.string() }),
    })
    .transform((nic): NicAttachment => nic),
);

/**
 * `run/run.json`: what a run was launched with. Written before the first effect of a launch, so that nothing of a run
 * has to be derived again from a configuration that may have changed since.
 */
const ManifestSchema = z.looseObject({
  ...STORED,
  /** {@link InstanceRecord.run}. */
  run: z.uuid(),
  uuid,
  config,
  image,
  idmap,
  nics: NicsSchema,
  /** Milliseconds since the epoch. */
  launchedAt: z.number(),
  /** What launched it: the versions of this package, of Node and of the kernel. */
  versions: z.looseObject({ pileus: z.string(), node: z.string(), kernel: z.string() }),
  /** What the driver asked to keep: see {@link BackendLaunchOptions.remember}. */
  driver: z.unknown().optional(),
});
export type Manifest = z.output<typeof ManifestSchema>;

/** The manifest of a run that is about to begin. */
export function makeManifest(run: string, record: InstanceRecord, nics: readonly NicAttachment[]): Manifest {
  return {
    version: VERSION,
    minReader: VERSION,
    run,
    uuid: record.uuid,
    config: record.config,
    image: record.image,
    idmap: record.idmap,
    nics: [...nics],
    launchedAt: Date.now(),
    versions: {
      pileus: packageVersion("@pileus/core", import.meta.url),
      node: process.version,
      kernel: release(),
    },
    driver: undefined,
  };
}

/**
 * Replaces a manifest atomically. It outlives this process. It is not synced to the disk: a crash of the machine ends
 * the run too.
 */
export function writeManifest(path: string, manifest: Manifest): void {
  const temporary = `${path}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/**
 * The manifest of the run on record; `undefined` when there is none: nothing was launched, or by a release that wrote
 * none. A manifest that cannot be read is not needed while the configuration has not changed since the launch.
 *
 * @throws {HostError} naming the file, when it cannot be read and is needed.
 */
export function manifestOf(layout: Layout, record: InstanceRecord): Manifest | undefined {
  if (record.run === undefined) return undefined;
  const path = layout.manifest(keyOf(record));
  const found = readSmallJson(path, z.unknown(), () => null);
  if (found === undefined) return undefined;
  const { data } = tooNew(found, VERSION) === undefined ? ManifestSchema.safeParse(found) : {};
  if (data !== undefined) return data.run === record.run ? data : undefined;
  if (isApplied(record)) return undefined;
  const reason = "it cannot be read, and the configuration has changed since the start: nothing else tells what runs";
  const fix = "restore it from a copy, or delete the instance";
  throw new HostError(`use instance "${record.config.name}"`, [{ need: `file:${path}`, reason, fix }]);
}

/** The run on record, for a plan. `undefined` when nothing runs, or nothing tells what. */
export function plannedRun(layout: Layout, record: InstanceRecord): PlannedRun | undefined {
  if (record.state === "stopped") return undefined;
  try {
    const manifest = manifestOf(layout, record);
    return manifest && { config: manifest.config, remembered: manifest.driver };
  } catch (error) {
    // The calls that need it say so.
    if (error instanceof HostError) return undefined;
    throw error;
  }
}

/** Whether the run on record was launched with the present configuration. */
export function isApplied({ generation, applied }: InstanceRecord): boolean {
  return applied === undefined || applied === generation;
}

/** What the run on record has, if that is another configuration and can be told. A run has its name from its launch. */
export function appliedConfig(layout: Layout, record: InstanceRecord): InstanceConfig | undefined {
  if (record.state === "stopped" || isApplied(record)) return undefined;
  try {
    const applied = manifestOf(layout, record)?.config;
    return applied === undefined || isDeepStrictEqual(applied, record.config) ? undefined : applied;
  } catch (error) {
    // The calls that need it say so.
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
