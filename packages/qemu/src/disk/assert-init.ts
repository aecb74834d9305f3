import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { NotFoundError } from "@pileus/core";
import { containedAccess } from "@pileus/core/driver";
import { INIT_PATHS } from "../initramfs/init-script.ts";

/** The errors that mean that a path leads to no program. Any other error is not the tree's fault. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "EINVAL", "EACCES", "ENXIO"];

/**
 * Looks for an init in the tree that a root disk is made from. A root without an init never runs, so it cannot get one
 * later. If a guest removes its init later, our initramfs reports that on the console.
 *
 * @throws {NotFoundError} if there is none.
 */
export function assertInit(tree: string): void {
  const files = containedAccess({ openRoot: () => openSync(tree, constants.O_RDONLY | constants.O_DIRECTORY) });
  const found = INIT_PATHS.some((path) => {
    try {
      const fd = files.openFile(path);
      const { mode } = fstatSync(fd);
      closeSync(fd);
      return (mode & 0o111) !== 0;
    } catch (error) {
      if (ABSENT.includes((error as NodeJS.ErrnoException).code ?? "")) return false;
      throw error;
    }
  });
  if (found) return;
  const hint = `the image has no init that a machine could run: it has none of ${INIT_PATHS.join(", ")}`;
  throw new NotFoundError("program", INIT_PATHS[0], { hint });
}
