import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** Whether this Node runs TypeScript itself: from 22.18 and 23.6 on. Absent on older ones. */
const TYPESCRIPT = Boolean((process.features as { readonly typescript?: unknown }).typescript);

/**
 * The flags with which Node runs the subject's module in a process of its own: none for JavaScript; for TypeScript tsx,
 * found from the module's folder, or where there is none Node itself, if it can.
 *
 * @throws what to install where neither can.
 */
export function nodeFlags(module: string, runsTypeScript = TYPESCRIPT): readonly string[] {
  if (!/\.[cm]?tsx?$/.test(module)) return [];
  // The sources of this repository import each other by this condition; whoever installed the package has what is built.
  const conditions = import.meta.url.endsWith(".ts") ? ["--conditions=@pileus/source"] : [];
  const tsx = findTsx(module);
  if (tsx !== undefined) return ["--import", pathToFileURL(tsx).href, ...conditions];
  if (runsTypeScript) return conditions;
  throw new Error(
    `cannot run ${module} in a second process, to be killed there: Node ${process.version} runs no TypeScript; ` +
      "npm install --save-dev tsx, or name a module in JavaScript as crash.module",
  );
}

function findTsx(module: string): string | undefined {
  try {
    return createRequire(module).resolve("tsx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
