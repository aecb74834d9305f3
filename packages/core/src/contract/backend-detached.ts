import type { Abortable } from "../flow/abortable.ts";
import type { ExitStatus, SignalName } from "../terms/state.ts";
import type { ExecRequest } from "./backend.ts";
import type { DetachedInfo, OutputChunk } from "./detached.ts";

/** What the engine passes to a driver for one detached program. */
export interface DetachedRequest extends ExecRequest {
  /** Sixteen hexadecimal digits, by which it is found later. */
  readonly id: string;
}

/** What {@link BackendDetachedProgram.output} is asked for. */
export interface DetachedOutputOptions extends Abortable {
  /** Begins after so many bytes. */
  readonly offset: number;
  /** Goes on until the program ends. */
  readonly follow: boolean;
}

/** One detached program, as a driver returns it. */
export interface BackendDetachedProgram {
  /** As in the list, at the moment when it was opened. */
  readonly info: DetachedInfo;
  /** Resolves when the program is over: `undefined`, when nobody saw how. Rejects with what keeps this process from seeing it. */
  readonly exit: Promise<ExitStatus | undefined>;
  /** What it printed. Ends at a release, too; followed, it fails with the rejection of {@link exit}. */
  output(options: DetachedOutputOptions): Promise<AsyncIterable<OutputChunk>>;
  /** Sends a signal to its process group; `SIGKILL` goes to everything that it started. Nothing, if it has ended. */
  kill(signal: SignalName): Promise<void>;
  /** This process is done with it and its output, and the program goes on. May be called more than once. */
  release(): void;
}

/** What every driver has on record of detached programs: for how long after their end, in milliseconds, and how many of a run. */
export const DETACHED_KEPT = { time: 3_600_000, programs: 100 } as const;

/** The detached programs of one run. `KeptPrograms` does all this where keepers hold them. */
export interface BackendDetached {
  /**
   * Starts a program that goes on without this process. An abort, or the end of this process, before it resolves leaves
   * no program. What was started is in the list of every process by then.
   */
  start(request: DetachedRequest, options: Abortable): Promise<DetachedInfo>;
  /** Those on record. */
  list(options: Abortable): Promise<readonly DetachedInfo[]>;
  /** The one with this id; `undefined`: none is on record. */
  open(id: string, options: Abortable): Promise<BackendDetachedProgram | undefined>;
}
