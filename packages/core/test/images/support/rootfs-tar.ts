import { writeFile } from "node:fs/promises";
import { spawn } from "../../../src/system/spawn.ts";
import { makeBusyboxRootfs } from "../../../src/testing/busybox-rootfs.ts";
import type { Scratch } from "./scratch.ts";

/** What a test that imports {@link rootfsTar} needs of the machine. */
export const NEEDS = ["root", "binary:tar", "binary:busybox"] as const;

/** Makes a rootfs with a large file in the folder `rootfs`, and an archive of it, whose path it returns. */
export async function rootfsTar(scratch: Scratch): Promise<string> {
  const tree = scratch.path("rootfs");
  await makeBusyboxRootfs(tree);
  await writeFile(`${tree}/big`, Buffer.alloc(8 * 2 ** 20, 7));
  await spawn(["tar", "-c", "-f", scratch.path("rootfs.tar"), "-C", tree, "."]);
  return scratch.path("rootfs.tar");
}
