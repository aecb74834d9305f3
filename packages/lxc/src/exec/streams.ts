import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";
import { pipe } from "@pileus/core/driver";

type Pipe = ReturnType<typeof pipe>;

/** The three pipes of a program: our ends as streams, its ends as descriptors until it has them. */
export interface ProgramPipes {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** In the order 0, 1, 2. */
  readonly theirs: readonly [number, number, number];
  /** Gives them to an owner, by ids of the host: only who owns a pipe can open it by /dev/stdout. Before they are handed over. */
  give(uid: number, gid: number): void;
  /** Closes the program's ends, once it has its own. */
  handOver(): void;
  /** Closes everything. */
  destroy(): void;
}

/**
 * Opens three real pipes: the socket pairs that `node:child_process` makes cannot be opened by /dev/stdout. They belong to the
 * program's user for the same reason.
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
    give(uid, gid) {
      for (const fd of theirs) fchownSync(fd, uid, gid);
    },
    handOver,
    destroy() {
      handOver();
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
    },
  };
}

/** All three, or none: where descriptors run out each attempt would otherwise take some more. */
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

/** A terminal's two directions as one stream. Ending it leaves the terminal open: a program reads an end by its own convention (^D). */
export function terminalStream({ stdin, stdout }: ProgramPipes): Duplex {
  const terminal = new Duplex({
    // Where the program has closed it there is nobody to write to.
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
  // The program has gone: that shows as the end of what it prints.
  stdin.on("error", () => undefined);
  return terminal;
}
