import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const PackageSchema = z.looseObject({ name: z.string(), version: z.string() });

/** The version of the package of that name that a module belongs to; `unknown` for a module that was bundled. */
export function packageVersion(name: string, moduleUrl: string): string {
  let folder = dirname(fileURLToPath(moduleUrl));
  for (;;) {
    const found = readPackage(join(folder, "package.json"));
    if (found !== undefined) return found.name === name ? found.version : "unknown";
    if (folder === dirname(folder)) return "unknown";
    folder = dirname(folder);
  }
}

function readPackage(path: string): z.output<typeof PackageSchema> | undefined {
  try {
    return PackageSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    // Not here, or not a package with a version: look further up.
    return undefined;
  }
}
