import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { Missing } from "../contract/errors.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** Where `spawn()` would find a tool; `undefined` where it is not on its PATH. */
export function findTool(name: string): string | undefined {
  const folders = (TOOL_ENV["PATH"] ?? "").split(":");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** What to say of a tool that is not on the PATH of {@link findTool}; `debianPackage` is the one that has it. */
export function missingTool(tool: string, debianPackage: string | undefined): Missing {
  const fix = debianPackage === undefined ? `install the package that has ${tool}` : `apt-get install ${debianPackage}`;
  return { need: `binary:${tool}`, reason: "not on PATH", fix };
}

/** Those of `tools` that this host lacks: names of tools, each with the Debian package that has it. */
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
