/** What a tool may take that reads what a stranger made. Beyond it, the tool fails or is ended. */
export interface Bounds {
  /** Bytes of address space. */
  readonly memory?: number | undefined;
  /** Seconds on a processor. */
  readonly cpu?: number | undefined;
  /** Bytes of the longest file that it writes. */
  readonly file?: number | undefined;
}

/** What to run so that `argv` keeps within bounds: prlimit(1), setrlimit(2). */
export function bounded(argv: readonly string[], { memory, cpu, file }: Bounds): string[] {
  const limits = Object.entries({ as: memory, cpu, fsize: file });
  const options = limits.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  return ["prlimit", ...options, "--", ...argv];
}
