import { ReadStream } from "node:tty";

/** node-pty's native half, as `unixTerminal.js` of version 1.1.0 calls it. */
interface Binding {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ): { readonly fd: number; readonly pid: number };
  resize(fd: number, columns: number, rows: number): void;
}

/** A program on a terminal: its process, and our end of the terminal. */
export interface Terminal {
  readonly pid: number;
  readonly stream: ReadStream;
  resize(columns: number, rows: number): void;
}

export interface TerminalRequest {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly columns: number;
  readonly rows: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly onExit: (code: number, signal: number) => void;
}

/**
 * Starts programs on terminals by node-pty's native module alone: its JavaScript half destroys the terminal 200 ms
 * after the program's end, and with it what a slow reader has not yet taken.
 */
export class TerminalStarter {
  readonly #path: string;
  #binding: Binding | undefined;

  /** `path`: of `pty.node`. Loaded on first use. */
  constructor(path: string) {
    this.#path = path;
  }

  start(request: TerminalRequest): Terminal {
    this.#binding ??= load(this.#path);
    const binding = this.#binding;
    const { file, args, cwd, columns, rows, uid, gid } = request;
    const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
    // The module sets neither groups nor clears them: the program inherits those of the moment of the fork, which is within this call.
    const asRoot = process.getuid?.() === 0;
    if (asRoot) process.setgroups?.([request.gid, ...request.groups]);
    try {
      const { fd, pid } = binding.fork(file, args, env, cwd, columns, rows, uid, gid, true, "", request.onExit);
      return { pid, stream: new ReadStream(fd), resize: (width, height) => binding.resize(fd, width, height) };
    } finally {
      if (asRoot) process.setgroups?.([]);
    }
  }
}

function load(path: string): Binding {
  const module = { exports: {} as Binding };
  process.dlopen(module, path);
  return module.exports;
}
