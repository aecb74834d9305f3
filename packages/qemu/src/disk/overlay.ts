import type { Abortable } from "@pileus/core";
import { hostFailure, type Spawn } from "@pileus/core/driver";
import { renderOption } from "../argv/option.ts";
import { TOOLS } from "../tools.ts";
import { IMAGE_BOUNDS } from "./disk-image.ts";

/**
 * Makes a qcow2 disk of the size of `backing` that starts as a copy of it and takes up what is written. However large
 * `backing` is, it takes no longer.
 */
export async function createOverlay(
  path: string,
  backing: { readonly path: string; readonly format: "raw" | "qcow2" },
  spawn: Spawn,
  options: Abortable = {},
): Promise<void> {
  const settings = renderOption(undefined, { backing_file: backing.path, backing_fmt: backing.format });
  // After a crash the engine removes the folder: nobody may then be making a file in it.
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
