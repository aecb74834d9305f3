import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

/** The agent as it runs in the guest: one file without imports, for there is nothing beside it to import. */
export const guest = {
  entry: { guest: "src/guest/main.ts" },
  outDir: "dist",
  format: "cjs",
  target: "node20",
  platform: "node",
  dts: false,
  noExternal: [/.*/],
  define: { AGENT_VERSION: JSON.stringify(version) },
  esbuildOptions: (options: { conditions?: string[] }) => {
    options.conditions = ["@pileus/source"];
  },
} as const;

export default defineConfig({ ...guest, noExternal: [...guest.noExternal] });
