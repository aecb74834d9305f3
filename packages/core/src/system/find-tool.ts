import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { Missing } from "../contract/errors.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** The path at which `spawn()` would find a tool; `undefined` when it is not on the PATH. */
export function findTool(name: string): string | undefined {
  const folders = (TOOL_ENV["PATH"] ?? "").split(":");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The entry for a tool that {@link findTool} does not find; `debianPackage` has that tool. */
export function missingTool(tool: string, debianPackage: string | undefined): Missing {
  const fix = debianPackage === undefined ? `install the package that has ${tool}` : `apt-get install ${debianPackage}`;
  return { need: `binary:${tool}`, reason: "not on PATH", fix };
}

/** The entries for those `tools` that this host lacks. `tools` maps the name of each tool to its Debian package. */
export function missingTools(tools: Readonly<Record<string, string>>, find = findTool): Missing[] {
  return Object.entries(tools)
    .filter(([tool]) => find(tool) === undefined)
    .map(([tool, debianPackage]) => missingTool(tool, debianPackage));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
