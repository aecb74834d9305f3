import { defineConfig } from "vitest/config";
import { tests } from "./mutation-areas.mjs";

const conditions = ["@pileus/source", "node", "import", "module", "default"];

/** What `npm run mutate` runs. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["@pileus/source"] } },
  test: {
    // Not a measure of speed, as in vitest.config.ts: code that counts its mutants is slower besides.
    testTimeout: 30_000,
    include: tests,
    exclude: ["**/*.{conformance,root}.test.ts"],
  },
});
