import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", "qmp/index": "src/qmp/index.ts" },
  format: "esm",
  target: "node20",
  platform: "node",
  dts: false,
  sourcemap: true,
  // The package has the sources themselves.
  esbuildOptions: (options) => {
    options.sourcesContent = false;
  },
  // It goes with the declarations: `tsc -b` would otherwise take those for up to date.
  clean: [".tsbuildinfo"],
  splitting: true,
});
