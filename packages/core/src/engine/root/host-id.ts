import { randomInt } from "node:crypto";
import { z } from "zod";
import { ConfigError } from "../../errors/all.ts";
import { acquireLock } from "../../system/lock.ts";
import { readIfThere } from "../../system/read-if-there.ts";
import { replaceFile } from "../../system/replace-file.ts";
import { parseJson } from "../../text/bounded-json.ts";

const IdentitySchema = z.looseObject({ version: z.literal(1), id: z.string().regex(/^[a-z0-9]{10}$/) });

/** Ten random characters that identify this root, created when it is first opened. */
export async function hostId(path: string, lockPath: string, signal: AbortSignal | undefined): Promise<string> {
  const known = await readIdentity(path);
  if (known !== undefined) return known;
  await using _lock = await acquireLock(lockPath, { signal });
  const meanwhile = await readIdentity(path);
  if (meanwhile !== undefined) return meanwhile;
  const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  const id = Array.from({ length: 10 }, () => alphabet[randomInt(alphabet.length)]).join("");
  await replaceFile(path, `${JSON.stringify({ version: 1, id })}\n`);
  return id;
}

async function readIdentity(path: string): Promise<string | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return IdentitySchema.parse(parseJson(text)).id;
  } catch (error) {
    throw new ConfigError("host root", [{ path: [], message: `${path} is not in the format of this release` }], {
      cause: error,
    });
  }
}
