/** Limits for a tool that reads untrusted input. Beyond them the tool fails or is killed. */
export interface Bounds {
  /** Bytes of address space. */
  readonly memory?: number | undefined;
  /** Seconds of processor time. */
  readonly cpu?: number | undefined;
  /** Bytes of the longest file that it writes. */
  readonly file?: number | undefined;
}

/** The command line that runs `argv` within bounds: prlimit(1), setrlimit(2). */
export function bounded(argv: readonly string[], { memory, cpu, file }: Bounds): string[] {
  const limits = Object.entries({ as: memory, cpu, fsize: file });
  const options = limits.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  return ["prlimit", ...options, "--", ...argv];
}
