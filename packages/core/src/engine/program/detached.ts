import type { BackendDetachedProgram } from "../../contract/backend-detached.ts";
import type {
  AttachedProcess,
  AttachOptions,
  DetachedInfo,
  DetachedProcess,
  OutputChunk,
} from "../../contract/detached.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, onAbort, unlimitedController } from "../../flow/deadline.ts";
import { AbortableSchema } from "../../model/call-options.ts";
import { parse } from "../../model/parse.ts";
import type { ExitStatus, SignalName } from "../../terms/state.ts";
import { canonicalSignal } from "./process.ts";

/** What a program can be asked for by its id. */
export interface DetachedVerbs {
  kill(id: string, signal: SignalName, options: Abortable): Promise<void>;
  wait(id: string, options: Abortable): Promise<ExitStatus>;
  attach(id: string, options: AttachOptions): Promise<AttachedProcess>;
}

/** A detached program, with the interface of the contract. It holds nothing. */
export class KnownProgram implements DetachedProcess {
  readonly id: string;
  readonly argv: readonly string[];
  readonly startedAt: number;
  readonly #verbs: DetachedVerbs;

  constructor({ id, argv, startedAt }: DetachedInfo, verbs: DetachedVerbs) {
    this.id = id;
    this.argv = argv;
    this.startedAt = startedAt;
    this.#verbs = verbs;
  }

  async kill(signal: SignalName = "SIGTERM", options: Abortable = {}): Promise<void> {
    parse(AbortableSchema, options, "options of kill");
    await this.#verbs.kill(this.id, canonicalSignal(signal), options);
  }

  async wait(options: Abortable = {}): Promise<ExitStatus> {
    parse(AbortableSchema, options, "options of wait");
    return this.#verbs.wait(this.id, options);
  }

  async attach(options: AttachOptions = {}): Promise<AttachedProcess> {
    return this.#verbs.attach(this.id, options);
  }
}

/**
 * The signal of a reading. It aborts with any of the signals that it has, as long as somebody holds it: a reading that its
 * owner forgets must not listen to them for ever.
 */
export class ReadingSignal {
  readonly #signals: readonly AbortSignal[];
  readonly #controller = unlimitedController();

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    this.#signals = signals.filter((signal) => signal !== undefined);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts at once with one that has aborted meanwhile. What it returns lets go; a second call of that does nothing. */
  hold(): () => void {
    const stops = this.#signals.map((signal) => onAbort(signal, () => this.#controller.abort(signal.reason)));
    return () => {
      for (const stop of stops) stop();
    };
  }
}

/** A detached program whose output is read. */
export class ReadProgram extends KnownProgram implements AttachedProcess {
  readonly output: AsyncIterable<OutputChunk>;
  readonly exit: Promise<ExitStatus>;
  readonly #release: () => void;

  /** `reading` ends the reading; `letGo` ends the hold of its maker. */
  constructor(
    program: BackendDetachedProgram,
    parts: {
      readonly output: AsyncIterable<OutputChunk>;
      readonly exit: Promise<ExitStatus>;
      readonly reading: ReadingSignal;
      readonly letGo: () => void;
      readonly verbs: DetachedVerbs;
    },
  ) {
    super(program.info, parts.verbs);
    const { reading, letGo } = parts;
    const holds = new Set([letGo]);
    const hold = () => {
      const end = reading.hold();
      holds.add(end);
      return end;
    };
    this.output = whileHeld(parts.output, reading.signal, hold);
    this.exit = abortable(parts.exit, reading.signal);
    // An owner that never uses it must not crash.
    this.exit.then(letGo, letGo);
    this.#release = () => {
      program.release();
      for (const end of holds) end();
    };
    reading.signal.addEventListener("abort", () => program.release(), { once: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
  }
}

/** The same items. Holds the signal while they are read, also after the end of the program. */
async function* whileHeld<T>(items: AsyncIterable<T>, signal: AbortSignal, hold: () => () => void): AsyncGenerator<T> {
  const end = hold();
  try {
    signal.throwIfAborted();
    yield* items;
  } finally {
    end();
  }
}
