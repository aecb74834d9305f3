/**
 * The host's time, in milliseconds since 1970, as far as hosts have told it. In between the guest's monotonic clock counts:
 * its own time of day may be wrong, and may be set at any moment. That clock stands still while the guest is frozen, so
 * the host tells the time after a thaw.
 */
export class HostTime {
  readonly #clock: () => number;
  #told = 0;
  #at: number;

  /** `clock`: milliseconds of a clock that nobody sets. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#at = clock();
  }

  /** Takes a time that a host has told. Never goes back: what told it may have waited in a port. */
  tell(time: number): void {
    if (time <= this.now()) return;
    this.#told = time;
    this.#at = this.#clock();
  }

  now(): number {
    return this.#told + this.#clock() - this.#at;
  }
}
