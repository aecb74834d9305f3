import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { renderCapabilities, renderReadme } from "./capability-table.ts";
import { renderErrors } from "./error-table.ts";
import { renderFromIncus } from "./from-incus/render.ts";

const ROOT = new URL("../", import.meta.url);

/** The documents that are generated from code, by their path from the root. To generate another, add a line. */
export const DOCUMENTS: Readonly<Record<string, () => Promise<string>>> = {
  "docs/errors.md": renderErrors,
  "docs/capabilities.md": renderCapabilities,
  "docs/from-incus.md": renderFromIncus,
  "README.md": renderReadme,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, render] of Object.entries(DOCUMENTS)) {
    await writeFile(new URL(path, ROOT), await render());
    console.log(path);
  }
}
