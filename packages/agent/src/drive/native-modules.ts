import { createRequire } from "node:module";

const PLATFORM = `${process.platform}-${process.arch}`;

/**
 * The native modules that the agent loads, by their file names beside it. Each is an optional dependency of one of our
 * packages.
 */
export const NATIVE_MODULES = {
  "koffi.node": {
    through: ["@pileus/core/package.json", "koffi"],
    file: `@koromix/koffi-${PLATFORM}/linux_${process.arch}/koffi.node`,
  },
} as const;

export type NativeModule = keyof typeof NATIVE_MODULES;

/** The path of a native module on this host; undefined if it is not installed. */
export function findNativeModule(name: NativeModule): string | undefined {
  const { through, file } = NATIVE_MODULES[name];
  try {
    let from = import.meta.url;
    for (const owner of through) from = createRequire(from).resolve(owner);
    return createRequire(from).resolve(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
