import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", "qmp/index": "src/qmp/index.ts" },
  format: "esm",
  target: "node20",
  platform: "node",
  dts: false,
  sourcemap: true,
  // Else `tsc -b` takes the declarations, which are cleaned too, for still there.
  clean: [".tsbuildinfo"],
  splitting: true,
});
