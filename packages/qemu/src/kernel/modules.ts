import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip as gunzipWithCallback } from "node:zlib";
import { type Abortable, ConfigError } from "@pileus/core";
import { type Spawn, spawn } from "@pileus/core/driver";
import { moduleName, parseModuleInfo } from "./module-info.ts";

export interface KernelModule {
  readonly name: string;
  /** Uncompressed. */
  readonly content: Buffer;
}

/** The files of a `modules/<release>` folder. */
export interface ModuleFiles {
  /** For errors. */
  readonly path: string;
  /** The files below it, by their names. */
  list(): Promise<ReadonlyMap<string, () => Promise<Buffer>>>;
}

const MODULE_FILE = /^(.+)\.ko(?:\.(xz|zst|gz))?$/;

/** The most bytes of a module, unpacked. The largest of a distribution has about 10 MiB. */
const MAX_MODULE = 2 ** 26;
/** The most that is collected: a distribution's has less than 10 MiB in less than 100 modules. */
const MAX_COLLECTED = { modules: 1000, bytes: 2 ** 27 } as const;

/** The tools that unpack, with what they may use: modules can come from a guest. */
const UNPACKERS = {
  xz: { argv: ["xz", "--decompress"], fromPackage: "xz-utils" },
  zst: { argv: ["zstd", "--decompress", "--quiet", "--rm"], fromPackage: "zstd" },
} as const;
const BOUNDS = { memory: 2 ** 29, cpu: 30, file: MAX_MODULE } as const;

export interface CollectOptions extends Abortable {
  /** For tests. */
  readonly spawn?: Spawn | undefined;
}

/**
 * Reads the wanted modules from a `modules/<release>` folder, and all modules that they need, in an order in which they
 * can be loaded: for each list of wanted ones those that the lists before it did not need. A wanted module that is not
 * there is left out: it may be built into the kernel.
 *
 * @throws {ConfigError} when the folder cannot be read, modules depend on each other in a circle, or they have
 *   more than any kernel needs.
 */
export async function collectModules(
  folder: ModuleFiles,
  wanted: readonly (readonly string[])[],
  options: CollectOptions = {},
): Promise<readonly (readonly KernelModule[])[]> {
  const files = new Map<string, { readonly packing: string | undefined; readonly read: () => Promise<Buffer> }>();
  for (const [file, read] of await folder.list()) {
    const [, name, packing] = MODULE_FILE.exec(file) ?? [];
    if (name !== undefined) files.set(moduleName(name), { packing, read });
  }
  const ordered = new Map<string, KernelModule>();
  let left = MAX_COLLECTED.bytes;
  let visited = 0;
  const visit = async (name: string, path: readonly string[]): Promise<void> => {
    const file = files.get(name);
    if (ordered.has(name) || file === undefined) return;
    if (path.includes(name)) {
      throw new ConfigError("kernel modules", [{ path: [folder.path], message: `${[...path, name].join(" needs ")}` }]);
    }
    const packed = await file.read();
    const content = await unpack(packed, file.packing, options);
    visited += 1;
    // To unpack takes time as well, even if nothing comes out.
    left -= Math.max(packed.length, content.length);
    if (visited > MAX_COLLECTED.modules || left < 0)
      throw new ConfigError("kernel modules", [{ path: [folder.path], message: "more than any kernel needs" }]);
    const info = await parseModuleInfo(content);
    for (const other of [...info.softDepends, ...info.depends]) await visit(other, [...path, name]);
    ordered.set(name, { name, content });
  };
  const lists: KernelModule[][] = [];
  for (const names of wanted) {
    for (const name of names) await visit(moduleName(name), []);
    lists.push([...ordered.values()].slice(lists.flat().length));
  }
  return lists;
}

/** A folder of this host. */
export function modulesIn(folder: string): ModuleFiles {
  return {
    path: folder,
    async list() {
      try {
        const entries = await readdir(folder, { recursive: true, withFileTypes: true });
        const files = entries.filter((entry) => entry.isFile());
        return new Map(files.map(({ name, parentPath }) => [name, () => readFile(join(parentPath, name))]));
      } catch (cause) {
        throw new ConfigError("kernel modules", [{ path: [folder], message: (cause as Error).message }], { cause });
      }
    },
  };
}

async function unpack(bytes: Buffer, packing: string | undefined, options: CollectOptions): Promise<Buffer> {
  switch (packing) {
    case "gz":
      return gunzip(bytes);
    case "xz":
    case "zst":
      return unpackByTool(bytes, packing, options);
    default:
      return bytes;
  }
}

async function gunzip(bytes: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzipWithCallback)(bytes, { maxOutputLength: MAX_MODULE });
  } catch (cause) {
    throw new ConfigError("kernel modules", [{ path: [], message: (cause as Error).message }], { cause });
  }
}

async function unpackByTool(bytes: Buffer, packing: keyof typeof UNPACKERS, options: CollectOptions): Promise<Buffer> {
  const { argv, fromPackage } = UNPACKERS[packing];
  const { signal, spawn: run = spawn } = options;
  const scratch = await mkdtemp(join(tmpdir(), "pileus-module-"));
  try {
    await writeFile(join(scratch, `module.${packing}`), bytes);
    const confined = { confinedTo: scratch, bounds: BOUNDS, diesWithUs: true };
    await run([...argv, `module.${packing}`], { ...confined, fromPackage, signal });
    return await readFile(join(scratch, "module"));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
