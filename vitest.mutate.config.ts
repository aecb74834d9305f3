import { defineConfig } from "vitest/config";
import { tests } from "./mutation-areas.mjs";

const conditions = ["@pileus/source", "node", "import", "module", "default"];

/** What `npm run mutate` runs. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["@pileus/source"] } },
  test: {
    // As in vitest.config.ts. In addition, code that counts its mutants is slower.
    testTimeout: 30_000,
    include: tests,
    exclude: ["**/*.{conformance,root}.test.ts"],
  },
});
