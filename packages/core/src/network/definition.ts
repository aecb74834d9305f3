import { z } from "zod";
import { isInstanceError, ProtocolError } from "../contract/errors.ts";
import { nestKeys } from "../model/nest-keys.ts";
import { DomainSchema, type NetworkConfig, NetworkConfigSchema } from "../model/network.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallFile, UnreadableFileError } from "../system/small-file.ts";
import { parseJson } from "../text/bounded-json.ts";

/** The content of `network.json`: the definition of a network, with its address. */
const DefinitionSchema = z.strictObject({
  version: z.literal(1),
  // An earlier release may have written what `create()` refuses today.
  config: z.preprocess(
    nestKeys,
    NetworkConfigSchema.extend({
      ipv4: z.strictObject({ address: z.cidrv4(), nat: z.boolean() }),
      dns: z.strictObject({ domain: DomainSchema }),
    }),
  ),
});

/**
 * The definition at `path`; `undefined` if there is none. @throws {ProtocolError} if the file is not one of ours.
 */
export async function readDefinition(path: string): Promise<NetworkConfig | undefined> {
  return readStored(path, DefinitionSchema)?.config;
}

export function writeDefinition(path: string, config: NetworkConfig): Promise<void> {
  return replaceFile(path, `${JSON.stringify({ version: 1, config }, undefined, 2)}\n`);
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
