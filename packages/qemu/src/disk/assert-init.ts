import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { NotFoundError } from "@pileus/core";
import { containedAccess } from "@pileus/core/driver";
import { INIT_PATHS } from "../initramfs/init-script.ts";

/** What makes a path lead to no program; anything else is not the tree's fault. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "EINVAL", "EACCES", "ENXIO"];

/**
 * Looks for an init in the tree that a root disk is made from. A root without one never runs, so what it lacks at first
 * it lacks for good. Of one that a guest has removed since, our initramfs tells on the console.
 *
 * @throws {NotFoundError} where there is none.
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
  const hint = `the image has no init that a machine could run: none of ${INIT_PATHS.join(", ")}`;
  throw new NotFoundError("program", INIT_PATHS[0], { hint });
}
