import { setImmediate } from "node:timers/promises";
import { ConfigError } from "@pileus/core";

/** What a kernel module declares about itself. Names have underscores, as the kernel writes them. */
export interface ModuleInfo {
  /** The modules that must be loaded before it. */
  readonly depends: readonly string[];
  /** The modules that should be loaded before it, if they exist (modprobe.d(5), softdep). */
  readonly softDepends: readonly string[];
}

/** The kernel treats `-` and `_` in a module's name as the same. */
export function moduleName(name: string): string {
  return name.replaceAll("-", "_");
}

/** How much is searched before other work gets its turn. */
const SLICE = 2 ** 20;
/** The most bytes of what a module declares with one key. Real ones have some hundred. */
const MAX_VALUES = 2 ** 14;

/**
 * Reads `.modinfo` of an uncompressed module: NUL-terminated `key=value` strings (include/linux/moduleinfo.h). They are
 * found as keys after a NUL, without reading the ELF sections, because no other section holds such strings.
 * The module can come from a guest that is hostile.
 *
 * @throws {ConfigError} if it declares more than a module can need.
 */
export async function parseModuleInfo(module: Buffer): Promise<ModuleInfo> {
  const depends = (await values(module, "depends")).flatMap((value) => value.split(","));
  const softDepends = (await values(module, "softdep")).flatMap(preDepends);
  const named = (names: readonly string[]) => names.filter((name) => name !== "").map(moduleName);
  return { depends: named(depends), softDepends: named(softDepends) };
}

/** The names between `pre:` and `post:`. */
function preDepends(value: string): readonly string[] {
  if (!value.startsWith("pre: ")) return [];
  const words = value.split(/\s/);
  const post = words.indexOf("post:");
  return words.slice(1, post === -1 ? undefined : post);
}

async function values(module: Buffer, key: string): Promise<readonly string[]> {
  const found: string[] = [];
  const needle = Buffer.from(`\0${key}=`);
  let left = MAX_VALUES;
  for (let from = 0; from < module.length; from += SLICE) {
    if (from > 0) await setImmediate();
    // A key can begin in this slice and end in the next.
    const slice = module.subarray(from, from + SLICE + needle.length - 1);
    for (let at = slice.indexOf(needle); at !== -1; at = slice.indexOf(needle, at + 1)) {
      const start = from + at + needle.length;
      const rest = module.subarray(start, start + left);
      const end = rest.indexOf(0);
      const value = end === -1 ? rest : rest.subarray(0, end);
      left -= value.length + 1;
      if (left < 0)
        throw new ConfigError("kernel modules", [{ path: [], message: "a module declares more than any can need" }]);
      found.push(value.toString("latin1"));
    }
  }
  return found;
}
