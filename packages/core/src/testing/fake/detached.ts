import { Writable } from "node:stream";
import {
  type BackendDetachedProgram,
  DETACHED_KEPT,
  type DetachedOutputOptions,
} from "../../contract/backend-detached.ts";
import type { DetachedInfo, OutputChunk } from "../../contract/detached.ts";
import { HostError } from "../../errors/all.ts";
import type { ExitStatus, SignalName } from "../../terms/state.ts";
import { nothing, Sink, type Stdio } from "./stdio.ts";

/** How much is kept of what one has printed, in bytes. */
const KEPT_OUTPUT = 2 * 2 ** 20;

/** What is known of one program. */
interface Known {
  info: DetachedInfo;
  readonly output: KeptOutput;
  readonly exit: Promise<ExitStatus>;
  readonly kill: (signal: SignalName) => void;
}

/** The detached programs of a fake machine: they live as long as that, whatever becomes of a host. */
export class FakeDetached {
  readonly #known = new Map<string, Known>();

  /** Records a program, which `start` starts on these streams. */
  start(
    { id, argv }: Pick<DetachedInfo, "id" | "argv">,
    start: (stdio: Stdio) => { readonly exit: Promise<ExitStatus>; kill(signal: SignalName): void },
  ): DetachedInfo {
    this.#makeRoom();
    const output = new KeptOutput();
    const startedAt = Date.now();
    const program = start({ stdin: nothing(), stdout: output.sink("stdout"), stderr: output.sink("stderr") });
    const exit = program.exit.then((status) => {
      known.info = { ...known.info, state: "ended", exit: status, endedAt: Date.now() };
      output.end();
      return status;
    });
    const info: DetachedInfo = { id, argv, startedAt, state: "running" };
    const known: Known = { info, output, exit, kill: (signal) => program.kill(signal) };
    this.#known.set(id, known);
    return known.info;
  }

  list(): readonly DetachedInfo[] {
    for (const { info } of [...this.#known.values()])
      if (Date.now() - (info.endedAt ?? Number.POSITIVE_INFINITY) > DETACHED_KEPT.time) this.#known.delete(info.id);
    return [...this.#known.values()]
      .map(({ info }) => info)
      .sort((one, other) => one.startedAt - other.startedAt || (one.id < other.id ? -1 : 1));
  }

  open(id: string): BackendDetachedProgram | undefined {
    this.list();
    const known = this.#known.get(id);
    const left = new AbortController();
    return (
      known && {
        info: known.info,
        exit: known.exit,
        output: async (options) => known.output.read(options, left.signal),
        kill: async (signal) => {
          if (known.info.state === "running") known.kill(signal);
        },
        release: () => left.abort(),
      }
    );
  }

  #makeRoom(): void {
    const infos = this.list();
    if (infos.length < DETACHED_KEPT.programs) return;
    const over = infos.filter(({ endedAt }) => endedAt !== undefined);
    const [first] = over.sort((one, other) => Number(one.endedAt) - Number(other.endedAt));
    if (first !== undefined) this.#known.delete(first.id);
    else {
      const reason = `${DETACHED_KEPT.programs} detached programs run, and no more than that are kept`;
      const missing = { need: "detached programs", reason, fix: "end some of them" };
      throw new HostError("start a detached program", [missing]);
    }
  }
}

/** What a program has printed: the end of it. */
class KeptOutput {
  #chunks: OutputChunk[] = [];
  #at = 0;
  #ended = false;
  #changed = Promise.resolve();
  #tell: () => void = () => undefined;

  constructor() {
    this.#news();
  }

  sink(stream: OutputChunk["stream"]): Sink {
    const write = (chunk: Buffer, _encoding: BufferEncoding, done: () => void) => {
      this.#chunks.push({ stream, offset: this.#at, data: Buffer.from(chunk) });
      this.#at += chunk.length;
      this.#chunks = this.#chunks.filter(({ offset, data }) => offset + data.length > this.#at - KEPT_OUTPUT);
      this.#news();
      done();
    };
    return new Sink(new Writable({ write }));
  }

  end(): void {
    this.#ended = true;
    this.#news();
  }

  async *read({ offset, follow, signal }: DetachedOutputOptions, left: AbortSignal): AsyncGenerator<OutputChunk> {
    for (let at = offset; ; ) {
      signal?.throwIfAborted();
      if (left.aborted) return;
      const [ended, changed] = [this.#ended || !follow, this.#changed];
      for (const chunk of this.#chunks) {
        const skipped = Math.max(0, at - chunk.offset);
        if (skipped >= chunk.data.length) continue;
        at = chunk.offset + chunk.data.length;
        yield { ...chunk, offset: chunk.offset + skipped, data: chunk.data.subarray(skipped) };
        signal?.throwIfAborted();
      }
      if (ended) return;
      await Promise.race([changed, untilAborted(signal), untilAborted(left)]);
    }
  }

  #news(): void {
    this.#tell();
    this.#changed = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
}
