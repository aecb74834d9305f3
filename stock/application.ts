import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { spawn } from "@pileus/core/driver";
import ts from "typescript";
import { buildImage } from "../packages/oci/test/support/build-image.ts";
import { PROGRAM } from "../packages/oci/test/support/oci-subject.ts";
import { checkout } from "../scripts/setup/folders.mjs";
import { debianTar } from "../test-support/debian.ts";

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

/** What no boot of a Debian needs: two thirds of its files, which an emulated host takes a minute to unpack. */
const NEEDLESS = [
  ...["doc", "info", "locale", "man", "perl", "zoneinfo"].map((folder) => `./usr/share/${folder}/*`),
  ...["perl", "gconv"].map((folder) => `./usr/lib/*/${folder}/*`),
  "./usr/lib/udev/hwdb*",
];

/**
 * Makes the folder of everything that runs inside: the packages as npm installs them from their tarballs, the checks in
 * JavaScript, the images that they use, and the Node that runs this. Resolves with its path.
 */
export async function makeApplication(app: string): Promise<string> {
  mkdirSync(app);
  await installTarballs(app);
  translate(app);
  await buildImage(join(app, "oci"), "bb", ["busybox"], { cmd: PROGRAM });
  const debian = join(app, "debian.tar");
  copyFileSync(await debianTar(), debian);
  await spawn(["tar", "--delete", "--wildcards", "-f", debian, ...NEEDLESS]);
  await spawn(["zstd", "-q", "-3", "--rm", debian]);
  cpSync(process.execPath, join(app, "node"));
  return app;
}

/** What of the application changes with the sources of this repository. */
export const CHANGING = ["stock", "packages", "test-support", "node_modules/@pileus"];

/** An archive of these parts of a folder. */
export async function archive(folder: string, parts: readonly string[], file: string): Promise<string> {
  await spawn(["tar", "-C", folder, "--zstd", "-cf", file, ...parts]);
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
