// Packs the packages and uses them as after an install, with only their declared dependencies: compiles a program with
// the oldest TypeScript that is promised, then loads every entry point with `import` and `require`, and all at once with
// few descriptors.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkout } from "./setup/folders.mjs";

/** Stated in README.md and packages/core/README.md. */
const LEAST_TYPESCRIPT = "5.4.5";
/** Node opens all files that a module imports at once: see docs/dependencies.md. */
const FEW_DESCRIPTORS = 64;
const SHIPPED = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];

const packages = readdirSync(join(checkout, "packages"));
const folder = mkdtempSync(join(tmpdir(), "pileus-tarballs-"));
const modules = join(folder, "node_modules");
const run = (file, argv, cwd = folder) => execFileSync(file, argv, { cwd, stdio: ["ignore", "pipe", "inherit"] });

/** Links the dependency `name` of `owner` into the folder, so that it resolves there. */
function link(name, owner) {
  const target = join(modules, name);
  mkdirSync(dirname(target), { recursive: true });
  if (!existsSync(target)) symlinkSync(realpathSync(join(owner, "node_modules", name)), target);
}

function install(name) {
  const source = join(checkout, "packages", name);
  const target = join(modules, "@pileus", name);
  mkdirSync(target, { recursive: true });
  run("pnpm", ["pack", "--pack-destination", folder], source);
  run("tar", ["-xzf", join(folder, `pileus-${name}-${manifestOf(source).version}.tgz`), "--strip=1", "-C", target]);
  const lacking = SHIPPED.filter((file) => !existsSync(join(target, file)));
  if (lacking.length > 0) throw new Error(`the tarball of @pileus/${name} has no ${lacking.join(", ")}`);
  const { dependencies, exports } = manifestOf(target);
  for (const dependency of Object.keys(dependencies)) if (!dependency.startsWith("@pileus/")) link(dependency, source);
  return Object.keys(exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry) => join("@pileus", name, entry));
}

function manifestOf(path) {
  return JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
}

try {
  const entries = packages.flatMap(install);
  link("@types/node", checkout);
  // One promise of each kind: an inferred instance, a listener's argument, a wrong use that is refused.
  const program = `${entries.map((entry, index) => `import * as entry${index} from "${entry}";`).join("\n")}
import { openHost } from "@pileus/core";
import { fake } from "@pileus/core/testing";

export const entries = [${entries.map((_, index) => `entry${index}`).join(", ")}];
const host = await openHost({ root: "/srv", drivers: [fake()] });
const instance = await host.get("web", { driver: "fake" });
instance.events.on("state", (event) => event.previous.at(0));
export const { stdout }: { stdout: string } = await instance.run(["true"]);
// @ts-expect-error: a listener's argument has the type of its event.
instance.events.on("exit", (event) => event.previous);
`;
  const flags = "--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck false --target ES2022 --types node";
  const kinds = {
    NodeNext: ["--module", "NodeNext"],
    Bundler: ["--module", "ESNext", "--moduleResolution", "Bundler"],
  };
  writeFileSync(join(folder, "program.mts"), program);
  for (const [kind, module] of Object.entries(kinds)) {
    const tsc = ["--yes", "--package", `typescript@${LEAST_TYPESCRIPT}`, "--", "tsc", ...flags.split(" "), ...module];
    run("npx", [...tsc, "program.mts"]);
    console.log(`tarballs: compiled with TypeScript ${LEAST_TYPESCRIPT}, ${kind}`);
  }
  writeFileSync(join(folder, "load.mjs"), entries.map((entry) => `await import("${entry}");`).join("\n"));
  writeFileSync(join(folder, "load.cjs"), entries.map((entry) => `require("${entry}");`).join("\n"));
  for (const file of ["load.mjs", "load.cjs"]) run(process.execPath, [file]);
  console.log(`tarballs: ${entries.length} entry points loaded by import and by require()`);
  writeFileSync(join(folder, "together.mjs"), entries.map((entry) => `import "${entry}";`).join("\n"));
  run("prlimit", [`--nofile=${FEW_DESCRIPTORS}`, process.execPath, "together.mjs"]);
  console.log(`tarballs: all loaded at once with ${FEW_DESCRIPTORS} descriptors`);
} catch (error) {
  // tsc prints errors on stdout.
  if (error.stdout) process.stdout.write(error.stdout);
  console.error(`tarballs: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
