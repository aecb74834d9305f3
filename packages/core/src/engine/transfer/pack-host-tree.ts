import type { PushOptions } from "../../contract/files.ts";
import { packEntries } from "../../files/pack-tree.ts";
import { plainAccess } from "../../files/plain-access.ts";
import { splitPath } from "../../files/tree-path.ts";
import { nativeFileCalls } from "../../system/syscall.ts";
import { hostFileError } from "./host-file-error.ts";

/**
 * Packs a file or folder of the host, given by an absolute path, as tar. Modes and times are kept; the owner is the one
 * in `options`.
 *
 * @throws {FileError} when a file cannot be read, or shrinks while it is read; `EINVAL` when the source is a device,
 * fifo or socket.
 */
export async function* packHostTree(source: string, options: PushOptions): AsyncGenerator<Buffer, void> {
  const { uid = 0, gid = 0, dereference, signal, onProgress } = options;
  const failure = (path: string, error: unknown) => hostFileError("push", path, error);
  let done = 0;
  try {
    const access = { ...plainAccess("/", nativeFileCalls()), inside: () => ({ uid, gid }) };
    const onContent = (bytes: number) => {
      done += bytes;
      onProgress?.({ phase: "push", done });
    };
    yield* packEntries(access, source, access.openFolder(splitPath(source).parent), {
      verb: "push",
      dereference,
      capabilities: true,
      signal,
      failure,
      onContent,
    });
  } catch (error) {
    throw failure(source, error);
  }
}
