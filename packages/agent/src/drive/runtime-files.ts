import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import type { Abortable } from "@pileus/core";
import { HostError, type Missing, missingTools, type Spawn } from "@pileus/core/driver";
import { findStaticBusybox } from "./busybox.ts";
import { findNativeModule, NATIVE_MODULES, type NativeModule } from "./native-modules.ts";
import { inspectNode } from "./node-binary.ts";

/** One file of the drive: its path on the drive, and its source on this host. */
export interface RuntimeFile {
  readonly path: string;
  readonly source: string;
}

export interface RuntimeSearchOptions extends Abortable {
  readonly spawn: Spawn;
  /** The Node binary of the drive. Default: the one that runs this process. */
  readonly node?: string | undefined;
}

/**
 * Finds what the drive carries: a Node binary with its dynamic linker, its libraries and the files that it reads as it
 * starts; the agent's bundle; koffi's native module; and a static BusyBox.
 *
 * @throws {HostError} naming what is missing and how to get it.
 */
export async function findRuntimeFiles(options: RuntimeSearchOptions): Promise<RuntimeFile[]> {
  const missing: Missing[] = missingTools({ mksquashfs: "squashfs-tools" });
  const [node, busybox, bundle] = await Promise.all([inspectNode(options), findStaticBusybox(), findBundle(missing)]);
  const koffi = findNative("koffi.node", missing);
  if (busybox.missing !== undefined) missing.push(busybox.missing);
  if (node.missing !== undefined) missing.push(node.missing);
  if (missing.length > 0 || node.missing !== undefined || !busybox.path || !bundle || !koffi)
    throw new HostError("build the agent's runtime drive", missing);
  const { linker } = node;
  const libraries = await Promise.all([node.path, koffi].map((file) => listLibraries(linker, file, options)));
  return [
    { path: "bin/node", source: node.path },
    ...node.builtins.map((source) => ({ path: source.slice(1), source })),
    { path: "bin/busybox", source: busybox.path },
    { path: "agent.cjs", source: bundle },
    { path: "koffi.node", source: koffi },
    { path: "lib/ld-linux.so", source: linker },
    ...new Map(
      libraries.flat().map((source) => [basename(source), { path: `lib/${basename(source)}`, source }]),
    ).values(),
  ];
}

/** The libraries that a file needs, found as the dynamic linker itself finds them: `ld.so --list` (ld.so(8)). */
async function listLibraries(
  linker: string,
  file: string,
  options: Abortable & { readonly spawn: Spawn },
): Promise<string[]> {
  const { stdout } = await options.spawn([linker, "--list", file], { signal: options.signal });
  return [...stdout.matchAll(/=> (\/\S+) \(0x/g)].map((match) => match[1] as string).filter((path) => path !== linker);
}

/** The agent's bundle, which the build of this package puts beside its code. */
async function findBundle(missing: Missing[]): Promise<string | undefined> {
  const self = createRequire(import.meta.url).resolve("@pileus/agent/package.json");
  const path = join(dirname(self), "dist", "guest.cjs");
  try {
    await access(path);
    return path;
  } catch {
    const fix = "reinstall @pileus/agent; in a checkout of Pileus: npx pnpm run build";
    missing.push({ need: "file:guest.cjs", reason: `${path} is missing`, fix });
    return undefined;
  }
}

function findNative(name: NativeModule, missing: Missing[]): string | undefined {
  const path = findNativeModule(name);
  const fix = "reinstall with optional dependencies: `npm install --include=optional`";
  if (path === undefined) missing.push({ need: `file:${NATIVE_MODULES[name].file}`, reason: "not installed", fix });
  return path;
}
