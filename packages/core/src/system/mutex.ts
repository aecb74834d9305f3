import type { Abortable } from "../flow/abortable.ts";
import { abortable } from "../flow/deadline.ts";

/** Lets one caller at a time in, within this process, in order of arrival. A kernel lock would cost a child process. */
export class Mutex {
  #last: Promise<void> = Promise.resolve();

  async run<T>(work: () => Promise<T>, options: Abortable = {}): Promise<T> {
    const before = this.#last;
    let leave = () => {};
    const turn = new Promise<void>((resolve) => {
      leave = resolve;
    });
    // A caller that gives up waiting must not let its successors overtake its predecessor.
    this.#last = before.then(() => turn);
    try {
      await abortable(before, options.signal);
      return await work();
    } finally {
      leave();
    }
  }
}
