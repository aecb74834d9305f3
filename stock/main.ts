/**
 * The tier `stock`: boots a stock Debian in a virtual machine, installs the packed packages in it, and runs the checks
 * inside. `npm test -- --only stock` calls it; by itself, with tsx:
 *
 *   stock/main.ts [--suite NAME]… [--step NAME]… [--keep] [--report FILE]
 *
 * `--step` runs these steps alone. `--keep` leaves the machine running, and uses one that already runs: only the checks
 * and the built packages are brought up to date in it. An interrupt removes what was made and ends with 130.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
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
const names = values.suite ?? SUITES.map(({ name }) => name);
const suites = names.map((name) => {
  const suite = SUITES.find((one) => one.name === name);
  if (suite === undefined) throw new Error(`there is no suite "${name}": ${SUITES.map((one) => one.name).join(", ")}`);
  return suite;
});

const controller = new AbortController();
const { signal } = controller;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => controller.abort(new Error(`interrupted by ${name}`)));

const results = new Results((line) => console.log(`[stock] ${line}`));
for (const suite of suites) {
  if (signal.aborted) break;
  await runSuite(suite, results, { steps: values.step ?? suite.steps, keep: values.keep, signal });
}
console.log(`\n${renderTable(results.all)}`);
if (values.report !== undefined) writeFileSync(values.report, JSON.stringify(results.all));
process.exitCode = signal.aborted ? 130 : results.all.every(({ ok }) => ok) ? 0 : 1;
