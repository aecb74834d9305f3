import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { AlreadyExistsError, isInstanceError, ProtocolError } from "../errors/all.ts";
import { loosened } from "../model/loosened.ts";
import { nestKeys } from "../model/nest-keys.ts";
import { DomainSchema, type NetworkConfig, NetworkConfigSchema, type WantedNetwork } from "../model/network.ts";
import { newerThanThis, STORED, tooNew } from "../model/stored.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallFile, readSmallJson, UnreadableFileError } from "../system/small-file.ts";
import { parseJson } from "../text/bounded-json.ts";

/** The version of the format of a network's files that this release writes. It changes none that needs a later one. */
const VERSION = 1;
/** What those files begin with. */
export const HEAD = { version: VERSION, minReader: VERSION } as const;

/** The content of `network.json`: the definition of a network, with its address. */
const DefinitionSchema = z.looseObject({
  ...STORED,
  // An earlier release may have written what `create()` refuses today.
  config: z.preprocess(
    nestKeys,
    loosened(
      z.strictObject({
        ...NetworkConfigSchema.shape,
        ipv4: z.strictObject({ address: z.cidrv4(), nat: z.boolean() }),
        dns: z.strictObject({ domain: DomainSchema }),
      }),
    ),
  ),
});

/**
 * The definition at `path`; `undefined` if there is none. @throws {ProtocolError} if the file is not one of ours.
 */
export async function readDefinition(path: string): Promise<NetworkConfig | undefined> {
  return readStored(path, DefinitionSchema)?.config;
}

/** @throws {AlreadyExistsError} that says which keys differ, if the network is not defined as it is `wanted`. */
export function assertSameNetwork(defined: NetworkConfig, wanted: WantedNetwork): void {
  const same = { ...wanted, ipv4: { ...wanted.ipv4, address: wanted.ipv4.address ?? defined.ipv4.address } };
  // The file has no keys that are undefined.
  const written = JSON.parse(JSON.stringify(same)) as object;
  const [is, asked] = [new Map<string, unknown>(Object.entries(defined)), new Map(Object.entries(written))];
  const keys = [...new Set([...is.keys(), ...asked.keys()])];
  const others = keys.filter((key) => !isDeepStrictEqual(is.get(key), asked.get(key)));
  if (others.length === 0) return;
  const hint = `it was created with another ${others.join(" and ")}, and a definition does not change: delete it first, choose another name, or create it as networks.get() shows it`;
  throw new AlreadyExistsError("network", defined.name, { hint });
}

export function writeDefinition(path: string, config: NetworkConfig): Promise<void> {
  return replaceFile(path, `${JSON.stringify({ ...HEAD, config }, undefined, 2)}\n`);
}

/** Why this release must not change a file of a network; `undefined` if it may, and for one that cannot be read. */
export function whyNewer(path: string): string | undefined {
  const version = tooNew(
    readSmallJson(path, z.unknown(), () => undefined),
    VERSION,
  );
  return version === undefined ? undefined : newerThanThis(path, version);
}

/**
 * The content of a file of ours, or `undefined` if there is none. @throws {ProtocolError} if its name belongs to
 * something else: a folder, a link, a pipe, or a file larger than any that we write.
 */
export function readOwnFile(path: string): string | undefined {
  try {
    return readSmallFile(path);
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    if (error.code === "ENOTDIR") return undefined;
    throw damaged(path, error.message, error);
  }
}

/** Reads JSON that an earlier process of ours wrote. @throws {ProtocolError} naming the file. */
export function readStored<S extends z.ZodType>(path: string, schema: S): z.output<S> | undefined {
  const text = readOwnFile(path);
  if (text === undefined) return undefined;
  try {
    return schema.parse(parseJson(text));
  } catch (cause) {
    throw damaged(path, "it is not what was written, or of another version", cause, text);
  }
}

function damaged(path: string, why: string, cause: unknown, text = ""): ProtocolError {
  return new ProtocolError(`${path} cannot be read (${why}): restore it, or remove it`, text, { cause });
}

/** The result of `promise`; `undefined` if a file of ours is damaged. */
export async function unlessDamaged<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isInstanceError(error, "ERR_PROTOCOL")) return undefined;
    throw error;
  }
}
