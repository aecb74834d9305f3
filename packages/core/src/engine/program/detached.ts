import type { BackendDetachedProgram } from "../../contract/backend-detached.ts";
import type {
  AttachedProcess,
  AttachOptions,
  DetachedInfo,
  DetachedProcess,
  OutputChunk,
} from "../../contract/detached.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, type LinkedSignal } from "../../flow/deadline.ts";
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

/** A detached program whose output is read. */
export class ReadProgram extends KnownProgram implements AttachedProcess {
  readonly output: AsyncIterable<OutputChunk>;
  readonly exit: Promise<ExitStatus>;
  readonly #release: () => void;

  /** `lifetime` ends the reading, and is disposed with it. */
  constructor(
    program: BackendDetachedProgram,
    parts: {
      readonly output: AsyncIterable<OutputChunk>;
      readonly exit: Promise<ExitStatus>;
      readonly lifetime: LinkedSignal;
      readonly verbs: DetachedVerbs;
    },
  ) {
    super(program.info, parts.verbs);
    const { lifetime } = parts;
    let finish = () => {};
    const read = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.output = whenRead(parts.output, () => finish());
    this.exit = abortable(parts.exit, lifetime.signal);
    // An owner that never uses it must not crash.
    this.exit.catch(() => undefined);
    this.#release = () => {
      program.release();
      lifetime[Symbol.dispose]();
    };
    lifetime.signal.addEventListener("abort", () => program.release(), { once: true });
    // An abort ends what is still read after the end of the program, too.
    void Promise.allSettled([this.exit, read]).then(() => lifetime[Symbol.dispose]());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
  }
}

/** The same items; calls `done` when there are no more, or nobody wants more. */
async function* whenRead<T>(items: AsyncIterable<T>, done: () => void): AsyncGenerator<T> {
  try {
    yield* items;
  } finally {
    done();
  }
}
