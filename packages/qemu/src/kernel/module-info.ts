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

/**
 * Reads `.modinfo` of an uncompressed module: NUL-terminated `key=value` strings (include/linux/moduleinfo.h). They are
 * found as keys after a NUL, without reading the ELF sections, because no other section holds such strings.
 */
export function parseModuleInfo(module: Buffer): ModuleInfo {
  const depends = values(module, "depends")
    .flatMap((value) => value.split(","))
    .filter((name) => name !== "")
    .map(moduleName);
  const softDepends = values(module, "softdep")
    .flatMap((value) => /^pre: ([^:]*?)(?:\s+post:|$)/.exec(value)?.[1]?.split(/\s+/) ?? [])
    .filter((name) => name !== "")
    .map(moduleName);
  return { depends, softDepends };
}

function values(module: Buffer, key: string): string[] {
  const found: string[] = [];
  const needle = Buffer.from(`\0${key}=`);
  for (let at = module.indexOf(needle); at !== -1; at = module.indexOf(needle, at + 1)) {
    const start = at + needle.length;
    const end = module.indexOf(0, start);
    found.push(module.toString("latin1", start, end === -1 ? module.length : end));
  }
  return found;
}
