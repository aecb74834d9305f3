import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { isInstanceError, ProtocolError } from "../contract/errors.ts";
import { DomainSchema, type NetworkConfig, NetworkConfigSchema } from "../model/network.ts";
import { replaceFile } from "../system/replace-file.ts";
import { parseJson } from "../text/bounded-json.ts";

/** What `network.json` holds: the definition of a network, its address chosen. */
const DefinitionSchema = z.strictObject({
  version: z.literal(1),
  // What `create()` refuses today an earlier release may have written.
  config: NetworkConfigSchema.extend({ "dns.domain": DomainSchema }).required({ "ipv4.address": true }),
});

/**
 * The definition at `path`; `undefined` where there is none. @throws {ProtocolError} when the file is not one of ours.
 */
export async function readDefinition(path: string): Promise<NetworkConfig | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : parseStored(path, text, DefinitionSchema).config;
}

export function writeDefinition(path: string, config: NetworkConfig): Promise<void> {
  return replaceFile(path, `${JSON.stringify({ version: 1, config }, undefined, 2)}\n`);
}

/** No file of a network comes near it: a lease has some 60 bytes. */
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * A file of ours, or `undefined` where there is none. @throws {ProtocolError} when something else is under its name: a
 * folder, a link, a pipe, or more than we ever write.
 */
export async function readIfThere(path: string): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    // Not to wait for the writer of a pipe.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile()) throw damaged(path, "it is no file");
    if (found.size > MOST_BYTES) throw damaged(path, `it has ${found.size} bytes`);
    return await file.readFile("utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (["ELOOP", "ENXIO", "EIO", "EUCLEAN"].includes(code ?? "")) throw damaged(path, `${code}`, error);
    throw error;
  } finally {
    await file?.close();
  }
}

/** Reads JSON that an earlier process of ours wrote. @throws {ProtocolError} naming the file. */
export function parseStored<S extends z.ZodType>(path: string, text: string, schema: S): z.output<S> {
  try {
    return schema.parse(parseJson(text));
  } catch (cause) {
    throw damaged(path, "it is not what was written, or of another version", cause, text);
  }
}

function damaged(path: string, why: string, cause?: unknown, text = ""): ProtocolError {
  return new ProtocolError(`${path} cannot be read (${why}): restore it, or remove it`, text, { cause });
}

/** What `promise` brings; `undefined` where a file of ours is damaged. */
export async function unlessDamaged<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isInstanceError(error, "ERR_INSTANCE_PROTOCOL")) return undefined;
    throw error;
  }
}
