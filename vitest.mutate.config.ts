import { defineConfig } from "vitest/config";

const conditions = ["@pileus/source", "node", "import", "module", "default"];

/** The tests that `npm run mutate` runs: those of the pure rooms that stryker.config.json names, and no slow one. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["@pileus/source"] } },
  test: {
    // Not a measure of speed, as in vitest.config.ts: code that counts its mutants is slower besides.
    testTimeout: 30_000,
    include: [
      "packages/core/test/{tar,model,images,images/layer}/*.test.ts",
      "packages/core/test/{files/{signal-name,parse-signal,byte-name,accounts},text/*}.test.ts",
      "packages/core/test/network/{render,choose-subnet,subnet,lease,reservation}.test.ts",
      "packages/lxc/test/{config/*,monitor-log,user}.test.ts",
      "packages/oci/test/{image/*,process}.test.ts",
      "packages/qemu/test/{argv/*,qmp/*,initramfs/*,command-line}.test.ts",
      "packages/agent/test/protocol/*.test.ts",
    ],
    exclude: ["**/*.{conformance,root}.test.ts"],
  },
});
