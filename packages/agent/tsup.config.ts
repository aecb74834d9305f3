import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts" },
  format: "esm",
  target: "node20",
  platform: "node",
  dts: false,
  sourcemap: true,
  // With it, for tsc would take declarations that are gone for up to date: a leading dot hides it from "everything".
  clean: [".tsbuildinfo"],
  splitting: true,
});
