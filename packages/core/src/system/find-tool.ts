import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import type { Missing } from "../errors/all.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** The path at which `spawn()` would find a tool; `undefined` when it is not on the PATH. */
export function findTool(name: string, path = TOOL_ENV["PATH"]): string | undefined {
  return candidates(name, path).find(isExecutable);
}

function candidates(name: string, path = TOOL_ENV["PATH"]): readonly string[] {
  return (path ?? "").split(":").map((folder) => join(folder, name));
}

/**
 * The entry for a tool that {@link findTool} does not find, or finds not to be executable; `debianPackage` has that tool.
 */
export function missingTool(tool: string, debianPackage: string | undefined, path = TOOL_ENV["PATH"]): Missing {
  const need = `binary:${tool}`;
  const refused = candidates(tool, path).find((file) => existsSync(file) && !isExecutable(file));
  if (refused !== undefined)
    return {
      need,
      reason: `${refused} cannot be executed`,
      fix: `chmod a+x ${refused}, on a file system without noexec`,
    };
  const fix = debianPackage === undefined ? `install the package that has ${tool}` : `apt-get install ${debianPackage}`;
  return { need, reason: "not on PATH", fix };
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
