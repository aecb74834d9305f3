import { randomUUID } from "node:crypto";
import { mkdir, utimes } from "node:fs/promises";
import type { ProgressOptions } from "../../contract/abortable.ts";
import { AlreadyExistsError, ConfigError, type ConfigIssue } from "../../contract/errors.ts";
import type { CreateOptions } from "../../contract/host.ts";
import type { AnyDriver } from "../../driver/backend.ts";
import { allOrNothing, type Undo } from "../../driver/cleanup.ts";
import { linkSignals } from "../../driver/deadline.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { CREATE_HABITS } from "../../model/habits.ts";
import type { Image } from "../../model/image.ts";
import { parse } from "../../model/parse.ts";
import { CreateOptionsSchema } from "../../model/verb-options.ts";
import { hostArchitecture } from "../../system/architecture.ts";
import { instanceContext } from "../context.ts";
import { type Engine, type OpenDriver, track } from "../engine.ts";
import { chooseIds } from "../ids.ts";
import { parseInstanceConfig } from "../instance-config.ts";
import { acquireLock, type Lock } from "../lock.ts";
import { ManagedInstance } from "../managed-instance.ts";
import { isGone, type OwnerProcess } from "../owner-process.ts";
import { type InstanceRecord, RECORD_VERSION, type RecordReading, writeRecord } from "../record.ts";
import { removeAbandonedFolder, removeInstanceFolder } from "../remove-folder.ts";
import { removeTraces } from "./delete.ts";

/** Options of {@link define}. */
export interface DefineOptions extends CreateOptions {
  /** The process that owns an ephemeral instance. */
  readonly owner?: OwnerProcess | undefined;
}

/** Defines an instance and creates its writable root; leaves nothing when that fails. */
export async function create(engine: Engine, input: unknown, options: CreateOptions = {}): Promise<ManagedInstance> {
  parse(CreateOptionsSchema, options, "options of create", CREATE_HABITS);
  return define(engine, input, options);
}

/** As {@link create}, with options that were checked already. */
export async function define(engine: Engine, input: unknown, options: DefineOptions): Promise<ManagedInstance> {
  options.signal?.throwIfAborted();
  const linked = linkSignals(options.signal, engine.closing);
  try {
    const { config, open } = parseInstanceConfig(engine.drivers, input);
    const image = await checkAgainstHost(engine, open, config, linked.signal);
    const createdAt = Date.now();
    const record: InstanceRecord = {
      version: RECORD_VERSION,
      uuid: randomUUID(),
      kind: open.driver.kind,
      config,
      image,
      createdAt,
      ...(options.owner === undefined ? {} : { owner: options.owner }),
      ...lifetime(createdAt, options.expires),
      phase: "creating",
      state: "stopped",
    };
    return await track(engine, make(engine, open, record, { ...options, signal: linked.signal }));
  } finally {
    linked[Symbol.dispose]();
  }
}

/** A time beyond the range of Date means no end. */
function lifetime(createdAt: number, expires: number | Date | undefined): Pick<InstanceRecord, "expiresAt"> {
  const expiresAt = new Date(expires instanceof Date ? expires : createdAt + (expires ?? Number.NaN)).getTime();
  return Number.isNaN(expiresAt) ? {} : { expiresAt };
}

/** Makes every check that is possible before anything is touched. */
async function checkAgainstHost(
  engine: Engine,
  { driver, backend }: OpenDriver,
  config: InstanceConfig,
  signal: AbortSignal,
): Promise<Image> {
  const refused: ConfigIssue[] = backend
    .plan(undefined, config)
    .changes.filter((change) => change.effect === "unsupported")
    .map((change) => ({
      path: change.path.split("."),
      message: change.reason ?? `the driver "${driver.name}" does not support it`,
    }));
  if (refused.length > 0) throw new ConfigError("instance config", refused);
  const image = await engine.images.get(config.image, { signal });
  assertRunnable(driver, image);
  for (const device of Object.values(config.devices)) {
    if (device.type === "nic") await engine.networks.get(device.network, { signal });
  }
  return image;
}

/** @throws {ConfigError} when this driver cannot run the image. */
function assertRunnable({ name, accepts, architectures }: AnyDriver, image: Image): void {
  const refuse = (message: string) => new ConfigError("instance config", [{ path: ["image"], message }]);
  if (!accepts.includes(image.kind))
    throw refuse(
      `the driver "${name}" runs images of kind ${accepts.join(" or ")}, but this image is of kind ${image.kind}`,
    );
  const runs = architectures ?? [hostArchitecture()];
  if (!runs.includes(image.architecture))
    throw refuse(
      `the driver "${name}" runs images for ${runs.join(" or ")} here, but this image is for ${image.architecture}`,
    );
}

async function make(
  engine: Engine,
  open: OpenDriver,
  record: InstanceRecord,
  options: ProgressOptions,
): Promise<ManagedInstance> {
  await using lock = await acquireLock(engine.layout.instanceLock(record.config.name), options);
  return await allOrNothing(async (undo) => {
    await claimName(engine, record.config.name, lock, undo);
    return materialize(engine, open, record, options, undo);
  });
}

/**
 * Changes the times of the folder. Other processes that have the host open watch the folder of all instances
 * (inotify(7), IN_ATTRIB), so they learn that there is a record to read.
 */
async function announce(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now);
}

/** Removes what a dead creator left of the name. @throws {AlreadyExistsError} */
async function claimName(engine: Engine, name: string, lock: Lock, undo: Undo): Promise<void> {
  const { layout } = engine;
  const reading = engine.records.read(name);
  if (reading.kind === "record" && reading.record.phase !== "ready") {
    const open = engine.drivers.get(reading.record.config.driver);
    if (open !== undefined) await removeTraces(engine, open, reading.record);
  } else if (reading.kind === "absent") {
    await removeAbandonedFolder(layout.instance(name));
  }
  try {
    await mkdir(layout.instance(name), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new AlreadyExistsError("instance", name, { cause: error, hint: await whyTaken(reading) });
    throw error;
  }
  undo(() => lock.retire());
  undo(() => removeInstanceFolder(layout.instance(name)));
}

/** The hint for a name that belongs to an instance of a dead process. */
async function whyTaken(reading: RecordReading): Promise<string | undefined> {
  const owner = reading.kind === "record" ? reading.record.owner : undefined;
  if (owner === undefined || !(await isGone(owner))) return undefined;
  return "a dead process left it: host.sweep() deletes such instances";
}

async function materialize(
  engine: Engine,
  { backend }: OpenDriver,
  record: InstanceRecord,
  options: ProgressOptions,
  undo: Undo,
): Promise<ManagedInstance> {
  const { layout, networks } = engine;
  const { name, devices } = record.config;
  const owner = { name, uuid: record.uuid };
  undo(() => engine.ids.release(record.uuid));
  const idmap = await chooseIds(engine, backend, record, options);
  await mkdir(layout.run(name), { mode: 0o700 });
  await mkdir(layout.log(name), { mode: 0o700 });
  undo(() => networks.release(owner));
  await networks.reserve(owner, devices, options);
  const withIds: InstanceRecord = { ...record, ...(idmap === undefined ? {} : { idmap }) };
  const context = await instanceContext(engine, withIds, options);
  undo(() => backend.remove(context, {}));
  await backend.materialize(context, options);
  options.signal?.throwIfAborted();
  const ready: InstanceRecord = { ...withIds, phase: "ready" };
  await writeRecord(layout.record(name), ready);
  const instance = new ManagedInstance(engine, ready);
  engine.instances.set(name, instance);
  engine.lifetimes.note(name, ready.expiresAt);
  if (ready.expiresAt !== undefined) await announce(layout.instance(name));
  engine.events.publish({ type: "created", instance: name, at: Date.now() });
  return instance;
}
