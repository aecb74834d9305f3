/**
 * The tier `stock`: boots stock Debians in virtual machines, installs the packed packages in them, and runs the checks
 * inside. `npm test -- --only stock` calls it; by itself, with tsx:
 *
 *   stock/main.ts [--suite NAME]… [--step NAME]… [--keep] [--report FILE]
 *
 * All suites run at once; some only if they are named. `--step` runs these steps alone. `--keep` leaves the machine
 * running, and uses one that already runs: only the checks and the built packages are brought up to date in it. An
 * interrupt removes what was made and ends with 130.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeApplication } from "./application.ts";
import { Results, renderTable } from "./results.ts";
import { runSuite } from "./run-suite.ts";
import { SUITES } from "./suites.ts";

const { values } = parseArgs({
  options: {
    suite: { type: "string", multiple: true },
    step: { type: "string", multiple: true },
    keep: { type: "boolean", default: false },
    report: { type: "string" },
  },
});
const names = values.suite ?? SUITES.flatMap(({ name, byHand }) => (byHand ? [] : [name]));
const suites = names.map((name) => {
  const suite = SUITES.find((one) => one.name === name);
  if (suite === undefined) throw new Error(`there is no suite "${name}": ${SUITES.map((one) => one.name).join(", ")}`);
  return suite;
});

const controller = new AbortController();
const { signal } = controller;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => controller.abort(new Error(`interrupted by ${name}`)));

const folder = mkdtempSync(join(tmpdir(), "pileus-stock-"));
let made: Promise<string> | undefined;
const application = () => (made ??= makeApplication(join(folder, "app")));
try {
  const all = await Promise.all(
    suites.map(async (suite) => {
      const results = new Results(suite.name);
      const { keep, step: steps = suite.steps } = values;
      await runSuite(suite, results, { steps, keep, folder, application, signal });
      return results.all;
    }),
  );
  const results = all.flat();
  console.log(`\n${renderTable(results)}`);
  if (values.report !== undefined) writeFileSync(values.report, JSON.stringify(results));
  process.exitCode = signal.aborted ? 130 : results.every(({ ok }) => ok) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
