import { z } from "zod";
import { HostError } from "../errors/all.ts";

/**
 * The keys that a file of ours has beside its content. `version` is that of the format. `minReader` is the version of
 * the oldest format whose releases may change the file: they keep the keys that they do not know. Without it, only
 * releases that know `version` may.
 */
export const STORED = { version: z.number().int().positive(), minReader: z.number().int().positive().optional() };

const StoredSchema = z.looseObject(STORED);

/** The version of a file that a release of format `known` must not change; `undefined` if it may. */
export function tooNew(content: unknown, known: number): number | undefined {
  const { data } = StoredSchema.safeParse(content);
  return data !== undefined && (data.minReader ?? data.version) > known ? data.version : undefined;
}

/** Why this release leaves a file as it is. `file` is as in `its record`. */
export function newerThanThis(file: string, version: number): string {
  return `${file} has version ${version}, which a later release wrote`;
}

/** The error of a call that would have to change such a file. */
export function refuseNewer(action: string, reason: string): HostError {
  return new HostError(action, [{ need: "release", reason, fix: "use the release that wrote it, or a later one" }]);
}
