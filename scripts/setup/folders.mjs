import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout. */
export const checkout = fileURLToPath(new URL("../../", import.meta.url));

/** The one folder with everything that is downloaded or built for the quickstart and the tests. */
export function cacheFolder(env = process.env) {
  return env.PILEUS_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "pileus");
}
