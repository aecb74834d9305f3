import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import type { Abortable } from "@pileus/core";
import { HostError, type Missing, missingTools, type Spawn } from "@pileus/core/driver";
import { findStaticBusybox } from "./busybox.ts";
import { readInterpreter } from "./elf.ts";
import { findNativeModule, NATIVE_MODULES, type NativeModule } from "./native-modules.ts";

/** One file of the drive: its path on the drive, and its source on this host. */
export interface RuntimeFile {
  readonly path: string;
  readonly source: string;
}

/**
 * Finds what the drive carries: this process's own Node binary with its dynamic linker and libraries, the agent's
 * bundle, koffi's native module, and a static BusyBox.
 *
 * @throws {HostError} naming what is missing and how to get it.
 */
export async function findRuntimeFiles(options: Abortable & { readonly spawn: Spawn }): Promise<RuntimeFile[]> {
  const missing: Missing[] = missingTools({ mksquashfs: "squashfs-tools" });
  const node = process.execPath;
  const [linker, busybox, bundle] = await Promise.all([
    readInterpreter(node),
    findStaticBusybox(),
    findBundle(missing),
  ]);
  const koffi = findNative("koffi.node", missing);
  if (busybox.missing !== undefined) missing.push(busybox.missing);
  if (linker === undefined) {
    const fix = "run a dynamically linked Node binary, such as those of nodejs.org and of the distributions";
    missing.push({ need: "node", reason: `${node} is static: it cannot load koffi`, fix });
  }
  if (missing.length > 0 || linker === undefined || !busybox.path || !bundle || !koffi)
    throw new HostError("build the agent's runtime drive", missing);
  const libraries = await Promise.all([node, koffi].map((file) => listLibraries(linker, file, options)));
  return [
    { path: "bin/node", source: node },
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
