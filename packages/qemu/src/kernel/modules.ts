import { copyFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Abortable, ConfigError } from "@pileus/core";
import { type SpawnOptions, spawn } from "@pileus/core/driver";
import { moduleName, parseModuleInfo } from "./module-info.ts";

export interface KernelModule {
  readonly name: string;
  /** Uncompressed. */
  readonly content: Buffer;
}

const MODULE_FILE = /^(.+)\.ko(?:\.(xz|zst|gz))?$/;

/**
 * Reads the wanted modules from a `modules/<release>` folder, and all modules that they need, in an order in which they
 * can be loaded. A wanted module that is not there is left out: it may be built into the kernel.
 *
 * @throws {ConfigError} when the folder cannot be read, or modules depend on each other in a circle.
 */
export async function collectModules(
  folder: string,
  wanted: readonly string[],
  options: Abortable = {},
): Promise<readonly KernelModule[]> {
  const files = await indexModules(folder);
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string, path: readonly string[]): Promise<void> => {
    const file = files.get(name);
    if (ordered.has(name) || file === undefined) return;
    if (path.includes(name)) {
      throw new ConfigError("kernel modules", [{ path: [folder], message: `${[...path, name].join(" needs ")}` }]);
    }
    const content = await readModule(file, options);
    const info = parseModuleInfo(content);
    for (const other of [...info.softDepends, ...info.depends]) await visit(other, [...path, name]);
    ordered.set(name, { name, content });
  };
  for (const name of wanted) await visit(moduleName(name), []);
  return [...ordered.values()];
}

async function indexModules(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const name = MODULE_FILE.exec(entry.name)?.[1];
      if (name !== undefined && entry.isFile()) files.set(moduleName(name), join(entry.parentPath, entry.name));
    }
  } catch (cause) {
    throw new ConfigError("kernel modules", [{ path: [folder], message: (cause as Error).message }], { cause });
  }
  return files;
}

async function readModule(file: string, options: Abortable): Promise<Buffer> {
  const bytes = await readFile(file);
  switch (MODULE_FILE.exec(file)?.[2]) {
    case "gz":
      return gunzipSync(bytes);
    case "xz":
      return decompress(["xz", "--decompress"], file, { ...options, fromPackage: "xz-utils" });
    case "zst":
      return decompress(["zstd", "--decompress", "--quiet", "--rm"], file, { ...options, fromPackage: "zstd" });
    default:
      return bytes;
  }
}

async function decompress(argv: readonly string[], file: string, options: SpawnOptions): Promise<Buffer> {
  const scratch = await mkdtemp(join(tmpdir(), "pileus-module-"));
  try {
    const copy = join(scratch, basename(file));
    await copyFile(file, copy);
    await spawn([...argv, copy], options);
    return await readFile(copy.replace(/\.[a-z]+$/, ""));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
