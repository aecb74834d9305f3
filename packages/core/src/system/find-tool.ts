import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { TOOL_ENV } from "./spawn.ts";

/** Where `spawn()` would find a tool; `undefined` where it is not on its PATH. */
export async function findTool(name: string): Promise<string | undefined> {
  for (const folder of (TOOL_ENV["PATH"] ?? "").split(":")) {
    const path = join(folder, name);
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return path;
  }
  return undefined;
}
