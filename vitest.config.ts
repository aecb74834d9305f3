import { defineConfig } from "vitest/config";

const conditions = ["@pileus/source", "node", "import", "module", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["@pileus/source"] } },
  test: {
    // The limit finds tests that hang. It does not measure speed, because a machine may be slow.
    testTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{packages/*,examples}/test/**/*.test.ts"],
          exclude: ["**/*.{conformance,root}.test.ts"],
        },
      },
      { extends: true, test: { name: "conformance", include: ["packages/*/test/**/*.conformance.test.ts"] } },
      {
        extends: true,
        test: {
          name: "root",
          include: ["{packages/*,examples}/test/**/*.root.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      // Programs of docs/guides that are tests themselves: guides.root.test.ts runs them, on a state folder of its own.
      { extends: true, test: { name: "guides", include: ["examples/guides/*.test.ts"] } },
    ],
  },
});
