import { findTool, type Missing, missingTool } from "@pileus/core/driver";
import { readInterpreter } from "./elf.ts";

/** What {@link findStaticBusybox} found: the file, or why no BusyBox that a guest could run was found. */
export type BusyboxSearch =
  | { readonly path: string; readonly missing?: undefined }
  | { readonly path?: undefined; readonly missing: Missing };

/**
 * Finds the host's BusyBox for guests. It must need no libraries. It is looked for where tools are; `found` is for
 * tests.
 */
export async function findStaticBusybox(found = findTool("busybox")): Promise<BusyboxSearch> {
  const missing = missingTool("busybox", "busybox-static");
  if (found === undefined) return { missing };
  try {
    const interpreter = await readInterpreter(found);
    if (interpreter === undefined) return { path: found };
    return { missing: { ...missing, reason: `${found} is not static` } };
  } catch (error) {
    if (error instanceof TypeError) return { missing: { ...missing, reason: error.message } };
    throw error;
  }
}
