import { closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { FileError } from "../errors/all.ts";
import { LocalFiles } from "../files/local-files.ts";
import type { Disk } from "../model/device/disk.ts";
import { containedAccess, openInRoot } from "../system/contained-access.ts";
import type { Idmap } from "../terms/idmap.ts";
import { deviceError } from "./disk-source.ts";

const O_PATH = 0o10000000;

/** The root folder of an instance on the host, and its ids. Whatever is inside may be hostile. */
export interface InstanceRoot {
  /** Absolute. */
  readonly root: string;
  readonly idmap: Idmap | undefined;
}

/** Opens the folder or file inside that a disk covers, and makes what is missing of it. The caller closes it. @throws {ConfigError} */
export async function openTarget(place: InstanceRoot, device: string, disk: Disk, isFolder: boolean): Promise<number> {
  const { path } = disk;
  const openRoot = () => openSync(place.root, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const files = new LocalFiles(containedAccess({ openRoot, idmap: place.idmap }));
  const root = openRoot();
  try {
    await files.mkdir(isFolder ? path : posix.dirname(path), { recursive: true });
    if (!isFolder) await makeFile(root, path, files);
    const target = openInRoot(root, path, O_PATH);
    try {
      assertFits(device, path, { target, root, isFolder });
      return target;
    } catch (error) {
      closeSync(target);
      throw error;
    }
  } catch (error) {
    throw refused(device, path, error);
  } finally {
    closeSync(root);
  }
}

async function makeFile(root: number, path: string, files: LocalFiles): Promise<void> {
  try {
    closeSync(openInRoot(root, path, O_PATH));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const { stream, done } = await files.write(path, { mode: 0o644 });
    stream.end();
    await done;
  }
}

function assertFits(
  device: string,
  path: string,
  { target, root, isFolder }: { readonly target: number; readonly root: number; readonly isFolder: boolean },
): void {
  const [found, top] = [fstatSync(target), fstatSync(root)];
  if (found.isDirectory() !== isFolder) {
    const [is, wanted] = isFolder ? ["a file", "a folder"] : ["a folder", "a file"];
    throw deviceError(device, "path", `${path} is ${is} inside, but the source is ${wanted}`);
  }
  if (found.dev === top.dev && found.ino === top.ino)
    throw deviceError(device, "path", `${path} leads to the root of the instance: choose a path below it`);
}

/** Where an open file is, by the names that the host sees now. */
export function pathOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

function refused(device: string, path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const known = error instanceof FileError || ["ENOTDIR", "ELOOP", "ENOENT", "EROFS", "EEXIST"].includes(code ?? "");
  if (!known) return error;
  return deviceError(device, "path", `${path} cannot be made inside: ${(error as Error).message}`, error);
}
