import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { parseJson } from "../text/bounded-json.ts";

/** No file that we keep has as many bytes: one that has is not ours, and is not read. */
const LONGEST = 16 * 2 ** 20;

/** A small JSON file of the store; `undefined` where there is none. @throws for one that cannot be read, or is none */
export async function readJson(path: string): Promise<unknown> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error("it is no regular file");
      if (stats.size > LONGEST) throw new Error(`it has ${stats.size} bytes, and at most ${LONGEST} are read`);
      return parseJson(await file.readFile("utf8"));
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
