import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** Whether this Node runs TypeScript itself: since 22.18 and 23.6. Absent on older ones. */
const TYPESCRIPT = Boolean((process.features as { readonly typescript?: unknown }).typescript);

/**
 * The flags with which Node runs the subject's module in another process. JavaScript needs none. TypeScript needs tsx,
 * found from the module's folder; without tsx Node must support TypeScript itself.
 *
 * @throws an error that says what to install when neither works.
 */
export function nodeFlags(module: string, runsTypeScript = TYPESCRIPT): readonly string[] {
  if (!/\.[cm]?tsx?$/.test(module)) return [];
  // The sources of this repository import each other by this condition; an installed package has the built files.
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
