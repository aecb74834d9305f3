import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import type { InstanceEvent } from "../../contract/events.ts";
import { type ErrorCode, type ErrorsByCode, isInstanceError } from "../../errors/all.ts";

/** The promise must reject with an error of this library that has the code; returns it. */
export async function rejectsWith<C extends ErrorCode>(promise: Promise<unknown>, code: C): Promise<ErrorsByCode[C]> {
  const error = await failureOf(promise);
  assert.ok(isInstanceError(error, code), `expected a rejection with ${code}, got ${describe(error)}`);
  return error;
}

/** The promise must reject with exactly this value. */
export async function rejectsExactly(promise: Promise<unknown>, reason: unknown): Promise<void> {
  const error = await failureOf(promise);
  assert.ok(error === reason, `expected a rejection with the signal's own reason, got ${describe(error)}`);
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`expected a rejection, got ${describe(value)}`);
}

function describe(value: unknown): string {
  return value instanceof Error ? `${value.name}: ${value.message}` : String(value);
}

/** The promise must settle within `deadline` milliseconds. */
export async function within<T>(deadline: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `${what}: not within ${deadline} ms` })),
      deadline,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Repeats the check until it returns something other than `undefined`. Only for changes without an event, such as a
 * process inside that has no parent out here.
 */
export async function eventually<T>(deadline: number, what: string, check: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + deadline;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (Date.now() > end) assert.fail(`${what}: not within ${deadline} ms`);
    await passing();
  }
}

/** Collects the events of a watch, until it ends or an event is `last`. */
export async function collect(
  events: AsyncIterable<InstanceEvent>,
  last?: (event: InstanceEvent) => boolean,
): Promise<InstanceEvent[]> {
  const seen: InstanceEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (last?.(event)) break;
  }
  return seen;
}

/** Waits, in milliseconds: the only proof that something does not happen. */
export function passing(duration = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

/** The output of a terminal or a pipe, with waits for parts of it. */
export class Transcript {
  text = "";
  /** Resolves at the end of the stream. */
  readonly ended: Promise<void>;
  readonly #waiting = new Set<() => void>();

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("utf8");
      for (const look of this.#waiting) look();
    });
    this.ended = new Promise((resolve) => {
      stream.once("end", resolve);
      stream.once("close", resolve);
    });
  }

  /** Resolves with the match as soon as the output so far matches. */
  until(deadline: number, pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.text);
        if (match === null) return;
        this.#waiting.delete(look);
        resolve(match);
      };
      this.#waiting.add(look);
      look();
      void this.ended.then(() => {
        look();
        reject(new assert.AssertionError({ message: `ended without ${pattern}: ${JSON.stringify(this.text)}` }));
      });
    });
    return within(deadline, `${pattern} in the output`, found);
  }
}

/** Pseudo-random bytes, the same in every run. */
export function noise(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  // xorshift32, Marsaglia 2003.
  for (let at = 0, x = 2463534242; at < size; at++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[at] = x & 0xff;
  }
  return bytes;
}

/** An event in a word, such as `stopped→starting`. */
export function word(event: InstanceEvent): string {
  if (event.type === "state") return `${event.previous}→${event.state}`;
  if (event.type === "updated") return `updated ${event.changes.map(({ path }) => path).join(" ")}`;
  if (event.type === "renamed") return `renamed ${event.from}→${event.to}`;
  return event.type === "exit" ? `exit ${event.exit.reason}` : event.type;
}
