import { UnsupportedError } from "../errors/all.ts";
import { sealedFile } from "./descriptor.ts";

/**
 * A static program of this library as a descriptor to execute, opened on first use and kept. It is sealed: a
 * program in a container could otherwise change it through /proc/PID/exe for every later container (CVE-2019-5736).
 */
export class SealedHelper {
  readonly #name: string;
  readonly #binaries: Readonly<Record<string, string>>;
  #opened: number | undefined;

  /** `binaries` are in base64, by the names of `process.arch`. */
  constructor(name: string, binaries: Readonly<Record<string, string>>) {
    this.#name = name;
    this.#binaries = binaries;
  }

  /** @throws {UnsupportedError} on an architecture for which there is none. */
  descriptor(): number {
    this.#opened ??= sealedFile(`pileus-${this.#name}`, this.content());
    return this.#opened;
  }

  /** @throws {UnsupportedError} on an architecture for which there is none. */
  content(): Buffer {
    const binary = this.#binaries[process.arch];
    if (binary === undefined)
      throw new UnsupportedError({ capability: this.#name, reason: `no helper for ${process.arch}` });
    return Buffer.from(binary, "base64");
  }
}
