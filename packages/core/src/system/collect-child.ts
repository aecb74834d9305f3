import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { ByteCollector } from "./byte-collector.ts";
import { type Child, type ChildOptions, commandEnd, startChild } from "./child.ts";
import { pipe } from "./descriptor.ts";

/** Options of {@link collectChild}. */
export interface CollectOptions extends Pick<ChildOptions, "cwd" | "env"> {
  /** Default: `/dev/null`. */
  readonly stdin?: string | Uint8Array | undefined;
  /** Open descriptors that it inherits, as 3, 4 and so on. */
  readonly descriptors?: readonly number[] | undefined;
  /** An abort ends it: SIGTERM, and SIGKILL after `grace`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly grace: number;
  /** The most bytes that it may print to one stream: with more, it is ended. */
  readonly most: number;
}

/** How a child ended, and what it printed. */
export interface CollectedChild {
  /** `undefined` if a signal ended it. */
  readonly exitCode?: number | undefined;
  readonly signal?: ReturnType<typeof commandEnd>["signal"];
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it was ended for printing too much. */
  readonly tooLong: boolean;
}

/** What runs now: it ends with this process, if this process ends by itself. */
const running = new Set<Child>();
let endsWithUs = false;

/**
 * Runs a program of the host to its end and collects its output, without a fork of this process.
 *
 * @throws {SystemError} if it cannot be started.
 */
export async function collectChild(argv: readonly string[], options: CollectOptions): Promise<CollectedChild> {
  const { cwd, env, stdin, signal, most } = options;
  const pipes = new Pipes();
  let child: Child;
  try {
    const theirs = [stdin === undefined ? ("ignore" as const) : pipes.input(), pipes.output(), pipes.output()];
    child = startChild(argv, { cwd, env, descriptors: [...theirs, ...(options.descriptors ?? [])] });
  } catch (error) {
    pipes.closeOurs();
    throw error;
  } finally {
    pipes.closeTheirs();
  }
  keep(child);
  let timer: NodeJS.Timeout | undefined;
  let isCut = false;
  const end = () => {
    isCut = true;
    child.kill("SIGTERM");
    timer ??= setTimeout(() => child.kill("SIGKILL"), options.grace);
  };
  signal?.addEventListener("abort", end, { once: true });
  try {
    const [stdoutPipe, stderrPipe] = pipes.ours as [number, number];
    const [output, errors] = [collect(stdoutPipe, most, end), collect(stderrPipe, most, end)];
    if (stdin !== undefined) give(pipes.stdin, stdin);
    const exit = await child.exit;
    // What it has started may hold its output open for as long as it likes.
    if (isCut) for (const { stream } of [output, errors]) stream.destroy();
    const [stdout, stderr] = await Promise.all([output.collected, errors.collected]);
    return { ...commandEnd(exit), stdout: stdout.text, stderr: stderr.text, tooLong: stdout.tooLong || stderr.tooLong };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    running.delete(child);
  }
}

function keep(child: Child): void {
  running.add(child);
  if (endsWithUs) return;
  endsWithUs = true;
  process.once("exit", () => {
    for (const one of running) one.kill("SIGTERM");
  });
}

interface Collecting {
  readonly stream: Socket;
  readonly collected: Promise<{ readonly text: string; readonly tooLong: boolean }>;
}

/** Collects a stream to its end. */
function collect(fd: number, most: number, end: () => void): Collecting {
  const stream = new Socket({ fd, readable: true, writable: false });
  const collected = new ByteCollector(most);
  let tooLong = false;
  stream.on("data", (bytes: Buffer) => {
    if (tooLong) return;
    tooLong = collected.size + bytes.length > most;
    if (tooLong) end();
    else collected.append(bytes);
  });
  // Only close(2) can fail now, and what was read is whole.
  stream.on("error", () => undefined);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  return { stream, collected: closed.then(() => ({ text: collected.bytes().toString("utf8"), tooLong })) };
}

function give(fd: number | undefined, content: string | Uint8Array): void {
  if (fd === undefined) return;
  const stream = new Socket({ fd, readable: false, writable: true });
  // A program that ends without reading it all breaks the pipe.
  stream.on("error", () => undefined);
  stream.end(content);
}

/** The pipes of a child: our ends and its ends, as descriptors. */
class Pipes {
  stdin: number | undefined;
  readonly ours: number[] = [];
  readonly #theirs: number[] = [];

  input(): number {
    const { read, write } = pipe();
    this.stdin = write;
    this.#theirs.push(read);
    return read;
  }

  output(): number {
    const { read, write } = pipe();
    this.ours.push(read);
    this.#theirs.push(write);
    return write;
  }

  closeTheirs(): void {
    for (const fd of this.#theirs) closeSync(fd);
  }

  closeOurs(): void {
    for (const fd of [...this.ours, ...(this.stdin === undefined ? [] : [this.stdin])]) closeSync(fd);
  }
}
