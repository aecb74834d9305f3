import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";
import { pipe } from "@pileus/core/driver";

type Pipe = ReturnType<typeof pipe>;

/** The three pipes of a program: our ends as streams, and its ends as descriptors until they are handed over. */
export interface ProgramPipes {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** In the order 0, 1, 2. */
  readonly theirs: readonly [number, number, number];
  /**
   * Sets the owner of the pipes, by ids of the host: only the owner of a pipe can open it as /dev/stdout. Must come
   * before `handOver()`.
   */
  setOwner(owner: { readonly uid: number; readonly gid: number }): void;
  /** Closes the program's ends here, once the program has them. */
  handOver(): void;
  /** Closes everything. */
  destroy(): void;
}

/**
 * Opens three real pipes: the socket pairs of `node:child_process` cannot be opened as /dev/stdout. For the same reason
 * they belong to the program's user.
 */
export function openPipes(): ProgramPipes {
  const [input, output, errors] = threePipes();
  const theirs = [input.read, output.write, errors.write] as const;
  const stdin = new Socket({ fd: input.write, readable: false, writable: true });
  const stdout = new Socket({ fd: output.read, readable: true, writable: false });
  const stderr = new Socket({ fd: errors.read, readable: true, writable: false });
  let open = true;
  const handOver = () => {
    if (open) for (const fd of theirs) closeSync(fd);
    open = false;
  };
  return {
    stdin,
    stdout,
    stderr,
    theirs,
    setOwner({ uid, gid }) {
      for (const fd of theirs) fchownSync(fd, uid, gid);
    },
    handOver,
    destroy() {
      handOver();
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
    },
  };
}

/** Opens all three or none: when descriptors run out, each attempt would otherwise leak some. */
function threePipes(): [Pipe, Pipe, Pipe] {
  const made: Pipe[] = [];
  try {
    for (let count = 0; count < 3; count += 1) made.push(pipe());
    return made as [Pipe, Pipe, Pipe];
  } catch (error) {
    for (const { read, write } of made) for (const fd of [read, write]) closeSync(fd);
    throw error;
  }
}

/**
 * A terminal's two directions as one stream. Ending the stream leaves the terminal open: for programs, a terminal's
 * input ends with ^D.
 */
export function terminalStream({ stdin, stdout }: ProgramPipes): Duplex {
  const terminal = new Duplex({
    // Once the program has closed it, there is no reader to write to.
    allowHalfOpen: false,
    read: () => void stdout.resume(),
    write: (chunk, _encoding, callback) => void stdin.write(chunk, callback),
    final: (callback) => void stdin.end(callback),
    destroy(error, callback) {
      stdin.destroy();
      stdout.destroy();
      callback(error);
    },
  });
  stdout.on("data", (chunk) => {
    if (!terminal.push(chunk)) stdout.pause();
  });
  stdout.once("end", () => terminal.push(null));
  stdout.on("error", (error) => terminal.destroy(error));
  // When the program has gone, its output ends: that is enough.
  stdin.on("error", () => undefined);
  return terminal;
}
