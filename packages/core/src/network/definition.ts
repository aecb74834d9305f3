import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ProtocolError } from "../contract/errors.ts";
import { type NetworkConfig, NetworkConfigSchema } from "../model/network.ts";
import { replaceFile } from "../system/replace-file.ts";
import { parseJson } from "../text/bounded-json.ts";

/** What `network.json` holds: the definition of a network, its address chosen. */
const DefinitionSchema = z.strictObject({
  version: z.literal(1),
  config: NetworkConfigSchema.required({ "ipv4.address": true }),
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

/** A file of ours, or `undefined` where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Reads JSON that an earlier process of ours wrote. @throws {ProtocolError} naming the file. */
export function parseStored<S extends z.ZodType>(path: string, text: string, schema: S): z.output<S> {
  try {
    return schema.parse(parseJson(text));
  } catch (cause) {
    throw new ProtocolError(`${path} is damaged or of another version: restore it or delete the network`, text, {
      cause,
    });
  }
}
