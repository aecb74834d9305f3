import { code } from "./mutation-areas.mjs";

export default {
  testRunner: "vitest",
  vitest: { configFile: "vitest.mutate.config.ts", related: false },
  plugins: ["@stryker-mutator/vitest-runner"],
  coverageAnalysis: "perTest",
  concurrency: 1,
  ignoreStatic: true,
  timeoutMS: 5000,
  tempDirName: ".stryker",
  reporters: ["clear-text", "progress-append-only", "html", "json"],
  clearTextReporter: { logTests: false },
  htmlReporter: { fileName: "reports/mutation.html" },
  jsonReporter: { fileName: "reports/mutation.json" },
  thresholds: { high: 90, low: 85, break: null },
  mutator: { excludedMutations: ["StringLiteral"] },
  mutate: code,
};
