import type { Abortable } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { renderOption } from "../argv/option.ts";

/**
 * Makes a qcow2 disk that starts as a copy of `backing` and takes up what is written to it. In the size of `backing`, O(1).
 * `size` in bytes; default: that of `backing`.
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
  await spawn(argv, { signal: options.signal, diesWithUs: true });
}
