import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { TOOL_ENV } from "./spawn.ts";

/** Where `spawn()` would find a tool; `undefined` where it is not on its PATH. */
export function findTool(name: string): string | undefined {
  const folders = (TOOL_ENV["PATH"] ?? "").split(":");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
