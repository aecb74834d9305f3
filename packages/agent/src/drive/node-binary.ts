import { isAbsolute } from "node:path";
import type { Abortable } from "@pileus/core";
import { CommandError, isInstanceError, type Missing, parseJson, type Spawn } from "@pileus/core/driver";
import { z } from "zod";
import { readInterpreter } from "./elf.ts";

/** A Node binary for the drive, or why it cannot be used. */
export type NodeBinary =
  | {
      readonly path: string;
      /** As `process.version` has it. */
      readonly version: string;
      /** Its dynamic linker. */
      readonly linker: string;
      /** The files outside of the binary and its libraries that it reads as it starts: absolute paths. */
      readonly builtins: readonly string[];
      readonly missing?: undefined;
    }
  | { readonly missing: Missing };

/** What a Node binary says about itself. */
const FactsSchema = z.object({
  version: z.string(),
  config: z.object({ target_defaults: z.object({ defines: z.array(z.string()).default([]) }).prefault({}) }),
});
const PRINT_FACTS = "JSON.stringify({ version: process.version, config: process.config })";

/** The oldest release that runs the agent: that of `engines` in package.json. */
const OLDEST = [20, 19] as const;

const FIX = "use a dynamically linked Node binary from 20.19 on, such as those of nodejs.org and of the distributions";

/** Examines the Node binary at `node`; by default the one that runs this process. Never rejects for a wrong binary. */
export async function inspectNode(
  options: Abortable & { readonly spawn: Spawn; readonly node?: string | undefined },
): Promise<NodeBinary> {
  const path = options.node ?? process.execPath;
  const refuse = (reason: string): NodeBinary => ({ missing: { need: "node", reason, fix: FIX } });
  if (!isAbsolute(path)) return refuse(`${path} is not an absolute path`);
  try {
    const linker = await readInterpreter(path);
    if (linker === undefined) return refuse(`${path} is static: it cannot load koffi`);
    const { version, config } = FactsSchema.parse(path === process.execPath ? process : await askNode(path, options));
    if (!isRecent(version)) return refuse(`${path} is ${version}`);
    return { path, version, linker, builtins: externalBuiltins(config.target_defaults.defines) };
  } catch (error) {
    options.signal?.throwIfAborted();
    // Not there, no ELF file, no Node, for another processor.
    const expected = error instanceof TypeError || error instanceof z.ZodError || error instanceof SyntaxError;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES" || code === "EISDIR") return refuse(`${path}: ${code}`);
    if (expected) return refuse(`${path} is not a Node binary: ${error.message}`);
    if (error instanceof CommandError || isInstanceError(error, "ERR_HOST")) return refuse(`${path}: ${error.message}`);
    throw error;
  }
}

async function askNode(path: string, options: Abortable & { readonly spawn: Spawn }): Promise<unknown> {
  const { stdout } = await options.spawn([path, "--print", PRINT_FACTS], { signal: options.signal });
  return parseJson(stdout);
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.slice(1).split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/**
 * The built-in modules that a distribution keeps in files of its own instead of the binary, as Debian does (Node's
 * configure.py, `--shared-builtin-…-path`: each becomes a definition of the compiler).
 */
export function externalBuiltins(defines: readonly string[]): readonly string[] {
  return defines.flatMap((define) => /^NODE_SHARED_BUILTIN_\w+_PATH=(\/.+)$/.exec(define)?.[1] ?? []);
}
