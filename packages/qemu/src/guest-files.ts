import type { Readable } from "node:stream";
import type { Abortable, FileOperations, FileStat, MkdirOptions, OwnerOptions, RemoveOptions } from "@pileus/core";

/** The files of a guest. Each call uses the session that its agent has at that time. */
export class GuestFiles implements FileOperations {
  readonly #session: (options: Abortable) => Promise<{ readonly files: FileOperations }>;

  constructor(session: (options: Abortable) => Promise<{ readonly files: FileOperations }>) {
    this.#session = session;
  }

  async read(path: string, options: Abortable): Promise<Readable> {
    return (await this.#session(options)).files.read(path, options);
  }
  async write(path: string, options: OwnerOptions): ReturnType<FileOperations["write"]> {
    return (await this.#session(options)).files.write(path, options);
  }
  async stat(path: string, options: Abortable): Promise<FileStat> {
    return (await this.#session(options)).files.stat(path, options);
  }
  async list(path: string, options: Abortable): Promise<Readable> {
    return (await this.#session(options)).files.list(path, options);
  }
  async mkdir(path: string, options: MkdirOptions): Promise<void> {
    return (await this.#session(options)).files.mkdir(path, options);
  }
  async remove(path: string, options: RemoveOptions): Promise<void> {
    return (await this.#session(options)).files.remove(path, options);
  }
  async readTree(path: string, options: Abortable): Promise<Readable> {
    return (await this.#session(options)).files.readTree(path, options);
  }
  async writeTree(path: string, options: Abortable): ReturnType<FileOperations["writeTree"]> {
    return (await this.#session(options)).files.writeTree(path, options);
  }
}
