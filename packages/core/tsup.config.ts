import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    "driver/index": "src/driver/index.ts",
    "files/index": "src/files/index.ts",
    "testing/index": "src/testing/index.ts",
  },
  format: "esm",
  target: "node20",
  platform: "node",
  dts: false,
  sourcemap: true,
  // Else `tsc -b` takes the declarations, which are cleaned too, for still there.
  clean: [".tsbuildinfo"],
  splitting: true,
});
