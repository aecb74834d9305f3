import { defineConfig } from "vitest/config";
import { tests } from "./mutation-rooms.mjs";

const conditions = ["@pileus/source", "node", "import", "module", "default"];

/** What `npm run mutate` runs. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["@pileus/source"] } },
  test: {
    // Many mutants show by a test that hangs: code that counts its mutants is slower, but not by that much.
    testTimeout: 5_000,
    include: tests,
    exclude: ["**/*.{conformance,root}.test.ts"],
  },
});
