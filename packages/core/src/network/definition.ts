import { z } from "zod";
import { isInstanceError, ProtocolError } from "../contract/errors.ts";
import { DomainSchema, type NetworkConfig, NetworkConfigSchema } from "../model/network.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallFile, UnreadableFileError } from "../system/small-file.ts";
import { parseJson } from "../text/bounded-json.ts";

/** What `network.json` holds: the definition of a network, its address chosen. */
const DefinitionSchema = z.strictObject({
  version: z.literal(1),
  // What `create()` refuses today an earlier release may have written.
  config: NetworkConfigSchema.extend({
    ipv4: z.strictObject({ address: z.cidrv4(), nat: z.boolean() }),
    dns: z.strictObject({ domain: DomainSchema }),
  }),
});

/**
 * The definition at `path`; `undefined` where there is none. @throws {ProtocolError} when the file is not one of ours.
 */
export async function readDefinition(path: string): Promise<NetworkConfig | undefined> {
  return readStored(path, DefinitionSchema)?.config;
}

export function writeDefinition(path: string, config: NetworkConfig): Promise<void> {
  return replaceFile(path, `${JSON.stringify({ version: 1, config }, undefined, 2)}\n`);
}

/**
 * A file of ours, or `undefined` where there is none. @throws {ProtocolError} when something else is under its name: a
 * folder, a link, a pipe, or more than we ever write.
 */
export function readIfThere(path: string): string | undefined {
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
  const text = readIfThere(path);
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

/** What `promise` brings; `undefined` where a file of ours is damaged. */
export async function unlessDamaged<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isInstanceError(error, "ERR_PROTOCOL")) return undefined;
    throw error;
  }
}
