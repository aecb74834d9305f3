import { closeSync, futimesSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import type { ProgressOptions } from "../../contract/abortable.ts";
import { ImageError, isInstanceError, ProtocolError } from "../../contract/errors.ts";
import { entryPath, linkPath } from "../../images/layer/path.ts";
import type { TarEntry } from "../../tar/entry.ts";
import { TarReader, type TarSink } from "../../tar/reader.ts";
import { chunksOf } from "./chunks.ts";
import { hostFileError } from "./host-file-error.ts";
import { HostFolder } from "./host-folder.ts";

/** What is pulled, from where to where. */
export interface Pull {
  readonly instance: string;
  readonly path: string;
  readonly target: string;
}

/**
 * Unpacks a tree that an instance sent, at exactly `target` on the host. The sender is not trusted: whatever it says,
 * nothing outside of `target` is touched, nothing is followed that it could have made, and no device, fifo or setuid
 * bit comes to be.
 *
 * @throws {ProtocolError} when the stream is no honest tree. @throws {FileError} when the host refuses a write.
 */
export async function unpackOnHost(stream: Readable, pull: Pull, options: ProgressOptions): Promise<void> {
  const unpacking = new Unpacking(pull, options);
  const refusal = (fault: Error) => new ImageError(`from instance "${pull.instance}"`, fault.message);
  const reader = new TarReader(refusal, unpacking);
  try {
    // All of it is read, past the archive's end too: its writer must not hang.
    for await (const chunk of chunksOf(stream, options.signal)) reader.push(chunk);
    reader.end();
    unpacking.finish();
  } catch (error) {
    unpacking.close();
    options.signal?.throwIfAborted();
    if (isInstanceError(error, "ERR_INSTANCE_IMAGE"))
      throw new ProtocolError(`cannot pull ${pull.path}: ${error.message}`, pull.path, { cause: error });
    throw hostFileError("pull to", pull.target, error);
  }
}

class Unpacking implements TarSink {
  readonly #label: string;
  readonly #target: HostFolder;
  readonly #options: ProgressOptions;
  #file: { readonly fd: number; readonly mtime: number } | undefined;
  #done = 0;

  constructor(pull: Pull, options: ProgressOptions) {
    this.#label = `from instance "${pull.instance}"`;
    this.#target = new HostFolder(pull.target);
    this.#options = options;
  }

  entry(entry: TarEntry): void {
    this.close();
    const parts = entryPath(this.#label, entry.name);
    const facts = { mode: entry.mode & 0o777, mtime: Number(entry.mtime) };
    switch (entry.type) {
      case "directory":
        this.#target.addFolder(parts, facts);
        break;
      case "file":
        this.#file = { fd: this.#target.createFile(parts, facts.mode), mtime: facts.mtime };
        break;
      case "symlink":
        this.#target.addSymlink(parts, entry.target, facts.mtime);
        break;
      case "link":
        this.#target.addLink(parts, linkPath(this.#label, entry.name, entry.target));
        break;
      case "character":
      case "block":
      case "fifo":
        break;
      default:
        entry.type satisfies never;
    }
  }

  data(bytes: Buffer): void {
    if (this.#file === undefined) return;
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file.fd, bytes, at);
    this.#done += bytes.length;
    this.#options.onProgress?.({ phase: "pull", done: this.#done });
  }

  finish(): void {
    this.close();
    this.#target.finish();
  }

  /** Of the file under way. Idempotent. */
  close(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      futimesSync(file.fd, file.mtime, file.mtime);
    } finally {
      closeSync(file.fd);
    }
  }
}
