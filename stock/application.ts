import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { spawn } from "@pileus/core/driver";
import ts from "typescript";
import { buildImage } from "../packages/oci/test/support/build-image.ts";
import { PROGRAM } from "../packages/oci/test/support/oci-subject.ts";
import { checkout } from "../scripts/setup/folders.mjs";
import { debianTar } from "../test-support/debian.ts";
import type { Suite } from "./suites.ts";

/** The folder of everything inside. */
export const INSIDE = "/opt/pileus";

/** The folders whose sources run inside, with all that they import by relative paths. */
const FOLDERS = ["stock/checks", "stock/inside"];
/** Replacements for the sources of packages that those files import: inside, the packages are installed. */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  "packages/lxc/src/index.js": 'export * from "@pileus/lxc";',
  "packages/oci/src/index.js": 'export * from "@pileus/oci";',
  "packages/oci/test/support/build-image.js": `export const buildImage = async () => ({ source: "oci:${INSIDE}/oci/layout:bb" });`,
};

/**
 * An archive of everything that runs inside: the packages as npm installs them from their tarballs, the checks in
 * JavaScript, and the images that they use.
 */
export async function packApplication(folder: string, suite: Suite): Promise<string> {
  const app = join(folder, "app");
  mkdirSync(app);
  await installTarballs(app);
  translate(app);
  await buildImage(join(app, "oci"), "bb", ["busybox"], { cmd: PROGRAM });
  await spawn(["zstd", "-q", "-3", await debianTar(), "-o", join(app, "debian.tar.zst")]);
  if (!suite.ownNode) cpSync(process.execPath, join(app, "node"));
  return archive(app);
}

/** An archive of the checks and of what was built of our packages, for a machine that has the rest. */
export async function packChanges(folder: string): Promise<string> {
  const app = join(folder, "changes");
  mkdirSync(app);
  translate(app);
  for (const name of readdirSync(join(checkout, "packages"))) {
    const built = join(checkout, "packages", name, "dist");
    cpSync(built, join(app, "node_modules/@pileus", name, "dist"), { recursive: true });
  }
  return archive(app);
}

async function archive(folder: string): Promise<string> {
  const file = `${folder}.tar.zst`;
  await spawn(["tar", "-C", folder, "--zstd", "-cf", file, "."]);
  return file;
}

async function installTarballs(app: string): Promise<void> {
  const { packageManager } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const env = process.env as Record<string, string>;
  const tarballs = join(dirname(app), "tarballs");
  const pack = ["-r", "--filter", "./packages/*", "pack", "--pack-destination", tarballs];
  await spawn(["npx", "--yes", packageManager, ...pack], { cwd: checkout, env });
  writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));
  const files = readdirSync(tarballs).map((file) => join(tarballs, file));
  await spawn(["npm", "install", "--no-audit", "--no-fund", "--no-save", ...files], { cwd: app, env });
}

/** Translates the checks, because Node 20 runs neither TypeScript nor `await using`. */
function translate(app: string): void {
  const compilerOptions: ts.CompilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    rewriteRelativeImportExtensions: true,
    verbatimModuleSyntax: true,
  };
  const sources = FOLDERS.flatMap((folder) => readdirSync(join(checkout, folder)).map((name) => join(folder, name)));
  const known = new Set(sources);
  // The set grows while the loop runs.
  for (const source of known) {
    const target = source.replace(/\.ts$/, ".js");
    const replacement = REPLACEMENTS[target];
    const text = readFileSync(join(checkout, source), "utf8");
    put(join(app, target), replacement ?? ts.transpileModule(text, { compilerOptions }).outputText);
    if (replacement !== undefined) continue;
    for (const { fileName } of ts.preProcessFile(text).importedFiles)
      if (fileName.startsWith(".")) known.add(join(dirname(source), fileName));
  }
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
