import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import type { AnyDriver } from "../../contract/backend.ts";
import type { CreateOptions } from "../../contract/host.ts";
import { ConfigError, type ConfigIssue } from "../../errors/all.ts";
import type { ProgressOptions } from "../../flow/abortable.ts";
import { allOrNothing, type Undo } from "../../flow/cleanup.ts";
import { linkSignals } from "../../flow/deadline.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { CREATE_HABITS } from "../../model/habits.ts";
import type { Image } from "../../model/image.ts";
import { parse } from "../../model/parse.ts";
import { keysOf } from "../../model/plan-path.ts";
import { CreateOptionsSchema } from "../../model/verb-options.ts";
import { hostArchitecture } from "../../system/architecture.ts";
import { acquireLock } from "../../system/lock.ts";
import { instanceContext } from "../instance/context.ts";
import { type Engine, know } from "../instance/engine.ts";
import { chooseIds } from "../instance/ids.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { type OpenDriver, track } from "../instance/shared.ts";
import { keyOf, unlink } from "../record/names.ts";
import type { OwnerProcess } from "../record/owner-process.ts";
import { type InstanceRecord, minReaderOf, RECORD_VERSION, writeRecord } from "../record/record.ts";
import { beginIfPossible, createdEvent } from "../record/settle.ts";
import { settleName, tryClaimName } from "../remains/claim-name.ts";
import { announce } from "../root/announce.ts";
import { removeInstanceFolder } from "../root/remove-folder.ts";
import { parseInstanceConfig } from "./instance-config.ts";

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
    const uuid = randomUUID();
    const record: InstanceRecord = {
      version: RECORD_VERSION,
      minReader: minReaderOf(undefined),
      uuid,
      folder: uuid,
      kind: open.driver.kind,
      config,
      image,
      createdAt,
      ...(options.owner === undefined ? {} : { owner: options.owner }),
      ...lifetime(createdAt, options.expires),
      generation: 1,
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
      path: keysOf(change.path),
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
  const { layout } = engine;
  const { uuid } = record;
  await using lock = await acquireLock(layout.instanceLock(uuid), options);
  return await allOrNothing(async (undo) => {
    const operation = beginIfPossible(engine.events, { kind: "create", record });
    undo(() => operation?.end());
    await mkdir(layout.instance(uuid), { mode: 0o700 });
    undo(() => lock.retire());
    undo(() => removeInstanceFolder(layout.instance(uuid)));
    undo(async () => unlink(layout, record.config.name, uuid));
    // No other call waits for the lock of an instance that nobody knows.
    while (!tryClaimName(engine, record.config.name, uuid)) await settleName(engine, record.config.name, uuid, options);
    const ready = await materialize(engine, open, record, options, undo);
    const instance = know(engine, ready);
    engine.events.publish([createdEvent(ready)], operation === undefined ? [] : [operation]);
    return instance;
  });
}

async function materialize(
  engine: Engine,
  { backend }: OpenDriver,
  record: InstanceRecord,
  options: ProgressOptions,
  undo: Undo,
): Promise<InstanceRecord> {
  const { layout, networks } = engine;
  const { name, devices } = record.config;
  const key = keyOf(record);
  const owner = { name, uuid: record.uuid };
  undo(() => engine.ids.release(record.uuid));
  const idmap = await chooseIds(engine, backend, record, options);
  await mkdir(layout.run(key), { mode: 0o700 });
  await mkdir(layout.log(key), { mode: 0o700 });
  undo(() => networks.release(owner));
  await networks.reserve(owner, devices, options);
  const withIds: InstanceRecord = { ...record, minReader: minReaderOf(idmap), ...(idmap && { idmap }) };
  const context = await instanceContext(engine, withIds, options);
  undo(() => backend.remove(context, {}));
  await backend.materialize(context, options);
  options.signal?.throwIfAborted();
  const ready: InstanceRecord = { ...withIds, phase: "ready" };
  await writeRecord(layout.record(key), ready);
  engine.lifetimes.note(key, ready.expiresAt);
  if (ready.expiresAt !== undefined) await announce(layout.instance(key));
  return ready;
}
