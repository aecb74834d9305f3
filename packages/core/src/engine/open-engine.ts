import { mkdir } from "node:fs/promises";
import type { Abortable } from "../contract/abortable.ts";
import { ConfigError, HostError } from "../contract/errors.ts";
import type { AnyDriver, HostReport } from "../driver/backend.ts";
import { CommonConfigSchema } from "../model/config.ts";
import { NameSchema } from "../model/name.ts";
import type { Engine, OpenDriver } from "./engine.ts";
import { EventBus } from "./events.ts";
import { hostId } from "./host-id.ts";
import type { Layout } from "./layout.ts";
import type { ImageStore, ImageUsers, NetworkManager } from "./ports.ts";
import { Records } from "./records.ts";
import { allRecords } from "./verbs/list.ts";

/** What makes the parts of a host that the engine does not have itself. */
export interface EngineParts {
  openImages(options: { readonly users: ImageUsers; readonly signal: AbortSignal | undefined }): Promise<ImageStore>;
  openNetworks(options: { readonly hostId: string }): Promise<NetworkManager>;
  probeNetworks(options: Abortable): Promise<Omit<HostReport, "usable">>;
}

/** Makes the root's folders where they are missing, and puts the engine together. */
export async function openEngine(
  layout: Layout,
  drivers: readonly AnyDriver[],
  parts: EngineParts,
  options: { readonly signal: AbortSignal | undefined; readonly closing: AbortSignal },
): Promise<Engine> {
  const { signal, closing } = options;
  assertDriverNames(drivers);
  await makeFolders(layout);
  const id = await hostId(layout.identity, layout.hostLock, signal);
  const records = new Records(layout);
  const users: ImageUsers = async (fingerprint) =>
    (await allRecords(layout, records))
      .filter((record) => record.image.fingerprint === fingerprint)
      .map((record) => record.config.name);
  return {
    layout,
    records,
    drivers: new Map(
      drivers.map((driver): [string, OpenDriver] => [
        driver.name,
        { driver, backend: driver.open({ folder: layout.driver(driver.name), hostId: id }) },
      ]),
    ),
    images: await parts.openImages({ users, signal }),
    networks: await parts.openNetworks({ hostId: id }),
    events: new EventBus(),
    instances: new Map(),
    closing,
    work: new Set(),
  };
}

/** @throws {HostError} when this user may not write there. */
async function makeFolders(layout: Layout): Promise<void> {
  try {
    for (const folder of [layout.root, layout.instances, layout.locks])
      await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    const reason = `uid ${process.geteuid?.()} may not write to the host's folder ${layout.root}: ${code}`;
    const fix = "run as root, or open a root folder that is yours";
    throw new HostError("open the host", [{ need: "root", reason, fix }], { cause: error });
  }
}

/** @throws {ConfigError} */
function assertDriverNames(drivers: readonly AnyDriver[]): void {
  const names = drivers.map((driver) => driver.name);
  const issues = names.flatMap((name, index) => {
    const path = ["drivers", index];
    if (!NameSchema.safeParse(name).success)
      return [{ path, message: `"${name}" cannot be the name of a driver: a driver's name is an RFC 1123 label` }];
    if (name in CommonConfigSchema.shape)
      return [{ path, message: `a driver cannot be named "${name}", which is a key of every configuration` }];
    if (names.indexOf(name) !== index) return [{ path, message: `there are two drivers named "${name}"` }];
    return [];
  });
  if (issues.length > 0) throw new ConfigError("host options", issues);
}
