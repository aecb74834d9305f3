import type { Readable } from "node:stream";
import { ProtocolError } from "../../errors/all.ts";
import { giveBack } from "../../files/chunk-pool.ts";
import { plainAccess } from "../../files/plain-access.ts";
import type { TreeAccess } from "../../files/tree-access.ts";
import { TreeUnpacking } from "../../files/unpack-tree.ts";
import type { ProgressOptions } from "../../flow/abortable.ts";
import { nativeFileCalls } from "../../system/syscall.ts";
import type { TarEntry } from "../../tar/entry.ts";
import { chunksOf } from "./chunks.ts";
import { hostFileError } from "./host-file-error.ts";

const PIECE = 1024 * 1024;

/** The source and the target of a pull. */
export interface Pull {
  readonly instance: string;
  readonly path: string;
  /** An absolute path. */
  readonly target: string;
}

/**
 * Unpacks a tree that an instance sent, at exactly `target` on the host. The sender is not trusted. Nothing outside
 * `target` is touched, no symlink is followed (not even `target` itself), everything belongs to the caller, and no
 * device, fifo or setuid bit is created.
 *
 * @throws {ProtocolError} when the stream is not a valid tree, or leads through a symlink.
 * @throws {FileError} when the host refuses a write.
 */
export async function unpackOnHost(stream: Readable, pull: Pull, options: ProgressOptions): Promise<void> {
  const { path, target, instance } = pull;
  let done = 0;
  const unpacking = new TreeUnpacking(hostAccess(), target, {
    signal: options.signal,
    followLinks: false,
    atomic: false,
    admit: harmless,
    refusal: ({ message }) => new ProtocolError(`cannot pull ${path} from instance "${instance}": ${message}`, path),
    failure: (at, error) => hostFileError("pull to", at, error),
    onContent(bytes) {
      done += bytes;
      options.onProgress?.({ phase: "pull", done });
    },
  });
  try {
    // The stream is read to its end, past the end of the archive: its writer must not hang.
    for await (const chunk of chunksOf(stream, options.signal)) {
      // In pieces, for steady progress: a driver may send everything in one chunk.
      for (let at = 0; at < chunk.length; at += PIECE) await unpacking.take(chunk.subarray(at, at + PIECE));
      giveBack(chunk);
    }
    await unpacking.finish();
  } catch (error) {
    options.signal?.throwIfAborted();
    throw hostFileError("pull to", target, error);
  } finally {
    unpacking.discard();
  }
}

/** Everything that is created belongs to the caller. */
function hostAccess(): TreeAccess {
  return {
    ...plainAccess("/", nativeFileCalls()),
    create: (_path, _owner, make) => make(),
    createFile: (_owner, open) => open(),
    // As setuid bits: nothing that an instance sends has rights on the host.
    capability: () => undefined,
  };
}

function harmless(entry: TarEntry): TarEntry | undefined {
  if (entry.type === "character" || entry.type === "block" || entry.type === "fifo") return undefined;
  return { ...entry, mode: entry.mode & 0o777 };
}
