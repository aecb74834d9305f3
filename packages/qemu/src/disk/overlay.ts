import type { Abortable } from "@pileus/core";
import { hostFailure, type Spawn } from "@pileus/core/driver";
import { renderOption } from "../argv/option.ts";
import { TOOLS } from "../tools.ts";
import { IMAGE_BOUNDS } from "./disk-image.ts";

/**
 * Makes a qcow2 disk that has the size and the content of `backing` and stores only what is written to it. The time
 * does not depend on the size of `backing`.
 */
export async function createOverlay(
  path: string,
  backing: { readonly path: string; readonly format: "raw" | "qcow2" },
  spawn: Spawn,
  options: Abortable = {},
): Promise<void> {
  const settings = renderOption(undefined, { backing_file: backing.path, backing_fmt: backing.format });
  // After a crash the engine removes the folder: no leftover qemu-img may create a file in it then.
  const argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", settings, path];
  const made = spawn(argv, {
    fromPackage: TOOLS["qemu-img"],
    signal: options.signal,
    diesWithUs: true,
    bounds: IMAGE_BOUNDS,
  });
  await made.catch((error: unknown) => {
    throw hostFailure(`make the disk ${path}`, error);
  });
}
