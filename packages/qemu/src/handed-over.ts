import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { sealedFile } from "@pileus/core/driver";

/** Descriptors that QEMU inherits. Disposing closes them here: QEMU has its own. */
export class HandedOver implements Disposable {
  readonly #descriptors: number[] = [];

  /** As QEMU gets them: the first is its 3. */
  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /** Takes an open descriptor. Returns the number that it has in QEMU. */
  add(descriptor: number): number {
    return 2 + this.#descriptors.push(descriptor);
  }

  /** The same for a file, opened with these flags of fopen(3). */
  open(path: string, flags: "r" | "r+" | "w"): number {
    return this.add(openSync(path, flags, 0o600));
  }

  /** The same for a file that QEMU opens again by /proc as its own user, which gets a copy in memory if it may not read it. */
  openToReopen(path: string): number {
    const descriptor = openSync(path, "r");
    if ((fstatSync(descriptor).mode & 0o004) !== 0) return this.add(descriptor);
    try {
      return this.add(sealedFile("boot", readFileSync(descriptor), 0o444));
    } finally {
      closeSync(descriptor);
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}
