/**
 * Compiles every `ts` block of the README files and of docs/, each as a module of its own in examples/test/. A block
 * that is not a whole program says so in its fence and is skipped: `ts sketch` shows a future interface, `ts excerpt` a
 * part of a program.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { checkout } from "./setup/folders.mjs";

const BLOCK = /^```ts\n([\s\S]*?)^```$/gm;

function documents(): readonly string[] {
  const packages = readdirSync(join(checkout, "packages")).map((name) => `packages/${name}/README.md`);
  const pages = readdirSync(join(checkout, "docs"), { recursive: true, encoding: "utf8" }).map(
    (name) => `docs/${name}`,
  );
  return ["README.md", "CONTRIBUTING.md", ...packages, ...pages.filter((name) => name.endsWith(".md"))].filter((name) =>
    existsSync(join(checkout, name)),
  );
}

/** The blocks, by the path of a file that does not exist. Empty lines before each keep the document's line numbers. */
function blocks(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const document of documents()) {
    const text = readFileSync(join(checkout, document), "utf8");
    for (const { 1: code = "", index } of text.matchAll(BLOCK)) {
      const line = text.slice(0, index).split("\n").length;
      const file = join(checkout, "examples/test", `${document.replaceAll("/", " ")} ${line}.ts`);
      found.set(file, `${"\n".repeat(line)}${code}export {};\n`);
    }
  }
  return found;
}

function compilerOptions(): ts.CompilerOptions {
  const file = join(checkout, "tsconfig.test.json");
  const { config } = ts.readConfigFile(file, ts.sys.readFile);
  return ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, checkout).options;
}

const options = compilerOptions();
const modules = blocks();
const host = ts.createCompilerHost(options);
const { fileExists, readFile } = host;
host.fileExists = (file) => modules.has(file) || fileExists(file);
host.readFile = (file) => modules.get(file) ?? readFile(file);
const program = ts.createProgram([...modules.keys()], options, host);
// Only of the blocks: `tsc` has checked the rest.
const errors = [...modules.keys()].flatMap((file) => {
  const source = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
});
process.stdout.write(
  ts.formatDiagnostics(errors, { ...host, getCurrentDirectory: () => join(checkout, "examples/test") }),
);
console.log(`documents: ${modules.size} programs compiled, ${errors.length} errors`);
process.exitCode = errors.length > 0 ? 1 : 0;
