/**
 * The longest sleep of the timer, in milliseconds: within it a change of the system clock is noticed, and an end that
 * failed is tried again. A timer of Node sleeps 2^31 ms at most.
 */
const LONGEST_SLEEP = 60_000;

/**
 * When the instances of a host expire. One timer serves all of them and keeps no process alive. An instance that
 * expires while no process has the host open is ended at the next open.
 */
export class Lifetimes {
  /** Milliseconds since the epoch, by the key of the instance. */
  readonly #ends = new Map<string, number>();
  readonly #failures = new Map<string, string>();
  readonly #end: (key: string) => Promise<void>;
  readonly #closing: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;

  /** `end` ends the instance if it has expired according to its record, whatever this process knew. */
  constructor(end: (key: string) => Promise<void>, closing: AbortSignal) {
    this.#end = end;
    this.#closing = closing;
    closing.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Notes when an instance expires. Does nothing when it never does. */
  note(key: string, expiresAt: number | undefined): void {
    if (expiresAt === undefined) return;
    this.#ends.set(key, expiresAt);
    if (expiresAt < this.#due) this.#sleep();
  }

  /** Why instances that have expired could not be ended, by key. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    this.#due = Math.min(Number.POSITIVE_INFINITY, ...this.#ends.values());
    if (this.#closing.aborted || this.#ends.size === 0) return;
    const delay = Math.min(Math.max(0, this.#due - Date.now()), LONGEST_SLEEP);
    this.#timer = setTimeout(() => this.#wake(), delay).unref();
  }

  #wake(): void {
    const now = Date.now();
    for (const [key, at] of this.#ends) {
      if (at > now) continue;
      this.#ends.delete(key);
      this.#end(key).then(
        () => this.#failures.delete(key),
        (error: unknown) => {
          this.#failures.set(key, error instanceof Error ? error.message : String(error));
          this.note(key, Date.now() + LONGEST_SLEEP);
        },
      );
    }
    this.#sleep();
  }
}
