import { resolve } from "node:path";
import type { Readable } from "node:stream";
import type {
  DirectoryEntry,
  FileOperations,
  FileStat,
  InstanceFiles,
  MkdirOptions,
  OwnerOptions,
  PushOptions,
  ReadAllOptions,
  RemoveOptions,
} from "../../contract/files.ts";
import { ConnectionError, DriverError, FileError, isInstanceError } from "../../errors/all.ts";
import type { Abortable, ProgressOptions } from "../../flow/abortable.ts";
import { linkSignals } from "../../flow/deadline.ts";
import { ContentSchema, checkedPieces } from "../../model/content.ts";
import { InsidePathSchema } from "../../model/exec.ts";
import {
  HostPathSchema,
  LookOptionsSchema,
  MkdirOptionsSchema,
  PullOptionsSchema,
  PushOptionsSchema,
  ReadAllOptionsSchema,
  RemoveOptionsSchema,
  TextSchema,
  WriteOptionsSchema,
} from "../../model/file-options.ts";
import { FILE_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { ByteCollector } from "../../system/byte-collector.ts";
import { LONGEST_BUFFER, LONGEST_TEXT } from "../../text/longest-text.ts";
import { withRun } from "../adopt/with-run.ts";
import { isDirectoryEntry } from "../gate/answers.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { implemented } from "../run/implemented.ts";
import type { Run } from "../run/run.ts";
import { chunksOf } from "../transfer/chunks.ts";
import { packHostTree } from "../transfer/pack-host-tree.ts";
import { unpackOnHost } from "../transfer/unpack-on-host.ts";
import { writeAll } from "../transfer/write-all.ts";

const VERB = "reach files of";
/** The most entries that `listAll` holds in memory: a program inside decides how many there are. */
const MAX_ENTRIES = 250_000;

/**
 * The files of an instance: the driver's operations with checks of state and arguments, and the host's side of `push`
 * and `pull`.
 */
export class ManagedFiles implements InstanceFiles {
  readonly #instance: ManagedInstance;

  constructor(instance: ManagedInstance) {
    this.#instance = instance;
  }

  async read(path: string, options: Abortable = {}): Promise<Readable> {
    parse(LookOptionsSchema, options, "file options", FILE_HABITS);
    return this.#use(path, options, (files) => files.read(path, options));
  }

  async readAll(path: string, options: ReadAllOptions = {}): Promise<Buffer> {
    const limit = Math.min(parse(ReadAllOptionsSchema, options, "file options", FILE_HABITS).maxSize, LONGEST_BUFFER);
    const { signal } = options;
    return this.#use(path, options, async (files) => {
      const collected = new ByteCollector();
      for await (const chunk of chunksOf(await files.read(path, { signal }), signal)) {
        if (collected.size + chunk.length > limit)
          throw new FileError({ verb: "read all of", path, errno: "EFBIG", detail: `more than ${limit} bytes` });
        collected.append(chunk);
      }
      return collected.bytes();
    });
  }

  async readText(path: string, options: ReadAllOptions = {}): Promise<string> {
    const { maxSize } = parse(ReadAllOptionsSchema, options, "file options", FILE_HABITS);
    return (await this.readAll(path, { ...options, maxSize: Math.min(maxSize, LONGEST_TEXT) })).toString("utf8");
  }

  async writeText(path: string, text: string, options: OwnerOptions = {}): Promise<void> {
    parse(TextSchema, text, "file content");
    await this.write(path, text, options);
  }

  async write(
    path: string,
    data: string | Uint8Array | AsyncIterable<Uint8Array>,
    options: OwnerOptions = {},
  ): Promise<void> {
    parse(WriteOptionsSchema, options, "file options", FILE_HABITS);
    parse(ContentSchema, data, "file content");
    await this.#use(path, options, (files, run) =>
      this.#during(run, options, async (signal) => {
        await writeAll(await files.write(path, { ...options, signal }), toChunks(data), signal);
      }),
    );
  }

  async stat(path: string, options: Abortable = {}): Promise<FileStat> {
    parse(LookOptionsSchema, options, "file options", FILE_HABITS);
    return this.#use(path, options, (files) => files.stat(path, options));
  }

  async exists(path: string, options: Abortable = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (isInstanceError(error, "ERR_FILE") && (error.errno === "ENOENT" || error.errno === "ENOTDIR")) return false;
      throw error;
    }
  }

  async *list(path: string, options: Abortable = {}): AsyncGenerator<DirectoryEntry, void> {
    parse(LookOptionsSchema, options, "file options", FILE_HABITS);
    const stream = await this.#use(path, options, (files) => files.list(path, options));
    for await (const entry of chunksOf<DirectoryEntry>(stream, options.signal)) {
      if (!isDirectoryEntry(entry)) throw this.#noEntry();
      yield entry;
    }
  }

  async listAll(path: string, options: Abortable = {}): Promise<readonly DirectoryEntry[]> {
    parse(LookOptionsSchema, options, "file options", FILE_HABITS);
    const entries: DirectoryEntry[] = [];
    // Within `use`, so that an end of the instance meanwhile is reported as such.
    await this.#use(path, options, async () => {
      for await (const entry of this.list(path, options)) {
        if (entries.length === MAX_ENTRIES)
          throw new FileError({ verb: "list", path, errno: "EFBIG", detail: `more than ${MAX_ENTRIES} entries` });
        entries.push(entry);
      }
    });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    parse(MkdirOptionsSchema, options, "file options", FILE_HABITS);
    await this.#use(path, options, (files) => files.mkdir(path, options));
  }

  async remove(path: string, options: RemoveOptions = {}): Promise<void> {
    parse(RemoveOptionsSchema, options, "file options", FILE_HABITS);
    await this.#use(path, options, (files) => files.remove(path, options));
  }

  async push(source: string, path: string, options: PushOptions = {}): Promise<void> {
    parse(PushOptionsSchema, options, "file options", FILE_HABITS);
    const from = hostPath(source);
    await this.#use(path, options, async (files, run) => {
      const { uid = 0, gid = 0 } = (await files.owner?.({ signal: options.signal })) ?? {};
      const tree = packHostTree(from, { ...options, uid: options.uid ?? uid, gid: options.gid ?? gid });
      try {
        // Before the driver creates anything inside: a missing source must not leave an empty file.
        const first = await tree.next();
        await this.#during(run, options, async (signal) => {
          await writeAll(await files.writeTree(path, { signal }), resumed(first, tree), signal);
        });
      } finally {
        // The generator may have a file open. No wait: the host's disk may stall.
        tree.return().catch(() => undefined);
      }
    });
  }

  async pull(path: string, target: string, options: ProgressOptions = {}): Promise<void> {
    parse(PullOptionsSchema, options, "file options", FILE_HABITS);
    const on = { instance: this.#instance.name, path, target: hostPath(target) };
    await this.#use(path, options, async (files) => unpackOnHost(await files.readTree(path, options), on, options));
  }

  #noEntry(): DriverError {
    const { driverName: driver, name: instance } = this.#instance;
    return new DriverError({ driver, instance, step: "files.list", why: "it listed something that is not an entry" });
  }

  async #use<T>(path: string, options: Abortable, work: (files: FileOperations, run: Run) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted();
    parse(InsidePathSchema, path, "file path");
    const use = { signal: options.signal, capability: "files" } as const;
    return withRun(this.#instance, VERB, use, ({ run }) => work(implemented(run.running.files, "files"), run));
  }

  /** Does a write that ends with the run: later content of the source must not reach another run. */
  async #during(run: Run, options: Abortable, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    using linked = linkSignals(options.signal);
    const end = () => linked.abort(new ConnectionError(`instance "${this.#instance.name}"`, "it has ended"));
    if (run.over.aborted) end();
    run.over.addEventListener("abort", end, { once: true });
    try {
      linked.signal.throwIfAborted();
      await work(linked.signal);
    } finally {
      run.over.removeEventListener("abort", end);
    }
  }
}

function hostPath(path: string): string {
  return resolve(parse(HostPathSchema, path, "path"));
}

async function* toChunks(data: string | Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (typeof data === "string") yield Buffer.from(data);
  else if (data instanceof Uint8Array) yield data;
  else yield* checkedPieces(data, "file content");
}

async function* resumed<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done !== true) yield first.value;
  yield* rest;
}
