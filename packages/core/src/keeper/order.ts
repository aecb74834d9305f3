import type { TerminalSize } from "../terms/terminal-size.ts";

/** The bounds of a log, in `log/output.log`. */
export interface KeeperLog {
  /** The size of one file, in bytes. At least 64 KiB. Default 16 MiB. */
  readonly size?: number | undefined;
  /** How many files there are, with the newest. Default 4. */
  readonly files?: number | undefined;
}

/** The files of cgroups in which a keeper reads what its run has used, as absolute paths. */
export interface KeeperAccounts {
  /** Those with a line `oom_kill N`: memory.events, memory.oom_control. At most four; they are added up. */
  readonly oomKills?: readonly string[] | undefined;
  /** memory.peak or memory.max_usage_in_bytes. */
  readonly memoryPeak?: string | undefined;
  /** cpuacct.usage: nanoseconds. */
  readonly cpuNanoseconds?: string | undefined;
  /** cpu.stat: a line `usage_usec N`. */
  readonly cpuMicroseconds?: string | undefined;
}

/** What a keeper is to run, and what it is to do with it. */
export interface KeeperOrder {
  /** The program and its arguments, exactly. It is found by the `PATH` of `env`. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The working folder. Default `/`. */
  readonly cwd?: string | undefined;
  /** A terminal of this size as all three streams. Default: two pipes, and /dev/null as the standard input. */
  readonly terminal?: TerminalSize | undefined;
  /** Whom the streams belong to, in ids of the host. Default: this process' user. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Holds the standard input open, for a writer. Default false. */
  readonly input?: boolean | undefined;
  /** The standard input and output are a console that somebody else may type at: no reader or writer closes it. Default false. */
  readonly console?: boolean | undefined;
  /** The bounds of the log. */
  readonly log?: KeeperLog | undefined;
  /** Folders of cgroups that the keeper makes and enters with all that it starts, as absolute paths. */
  readonly cgroups?: readonly string[] | undefined;
  /**
   * How many bytes of output there were before, newlines included. The log then tells the count where it begins anew, and
   * after what was lost. Default: it tells none.
   */
  readonly counted?: number | undefined;
  /** Where the use of resources stands. */
  readonly accounts?: KeeperAccounts | undefined;
}

/** What a keeper takes over from one that was killed: the content of `run/holder`. */
export interface HeldRun {
  /** The pid of the holder. */
  readonly holder: number;
  /** How often the program was started. */
  readonly boots: number;
  /** The pid of the program; 0 before it runs. */
  readonly program: number;
}

// The keys of packages/core/keeper/config.h.
const KEY = {
  argv: 1,
  env: 2,
  cwd: 3,
  terminal: 4,
  owner: 5,
  input: 6,
  log: 7,
  cgroup: 8,
  starter: 9,
  adopt: 10,
  oomKills: 11,
  memoryPeak: 12,
  cpuNanoseconds: 13,
  cpuMicroseconds: 14,
  handedOver: 15,
  console: 16,
  counted: 0x80000001,
} as const;

const VERSION = 1;
const [LOG_SIZE, LOG_FILES] = [16 * 2 ** 20, 4];

/** Encodes an order as the payload of a CONFIG frame: packages/core/keeper/config.h. Pure. */
export function encodeOrder(
  order: KeeperOrder,
  how: {
    /** Whether it is a holder itself; `waits`: which starts with the keeper. Default false. */
    readonly starter?: boolean | "waits" | undefined;
    readonly adopt?: HeldRun | undefined;
    /** How many descriptors are handed over to the program. Default 0. */
    readonly handedOver?: number | undefined;
  } = {},
): Buffer {
  const { argv, env, cwd, terminal, owner, input, console, log = {}, cgroups = [], counted, accounts = {} } = order;
  const { handedOver = 0 } = how;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const size = Buffer.alloc(16);
  size.writeBigUInt64LE(BigInt(log.size ?? LOG_SIZE));
  size.writeUInt32LE(log.files ?? LOG_FILES, 8);
  const path = (key: number, text: string | undefined) => (text === undefined ? [] : [entry(key, strings([text]))]);
  return Buffer.concat([
    words([VERSION]),
    entry(KEY.argv, strings(argv)),
    entry(KEY.env, strings(variables)),
    ...path(KEY.cwd, cwd),
    ...(terminal === undefined ? [] : [entry(KEY.terminal, words([terminal.columns, terminal.rows]))]),
    ...(owner === undefined ? [] : [entry(KEY.owner, words([owner.uid, owner.gid]))]),
    ...(input ? [entry(KEY.input, words([1]))] : []),
    entry(KEY.log, size),
    ...cgroups.flatMap((folder) => path(KEY.cgroup, folder)),
    ...(how.starter ? [entry(KEY.starter, words([how.starter === "waits" ? 2 : 1]))] : []),
    ...(how.adopt === undefined
      ? []
      : [entry(KEY.adopt, words([how.adopt.holder, how.adopt.boots, how.adopt.program]))]),
    ...(accounts.oomKills ?? []).flatMap((file) => path(KEY.oomKills, file)),
    ...(counted === undefined ? [] : [entry(KEY.counted, words([counted, Math.floor(counted / 2 ** 32)]))]),
    ...path(KEY.memoryPeak, accounts.memoryPeak),
    ...path(KEY.cpuNanoseconds, accounts.cpuNanoseconds),
    ...path(KEY.cpuMicroseconds, accounts.cpuMicroseconds),
    ...(handedOver === 0 ? [] : [entry(KEY.handedOver, words([handedOver]))]),
    ...(console ? [entry(KEY.console, words([1]))] : []),
  ]);
}

/** Numbers of 32 bits, little-endian. */
export function words(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [index, number] of numbers.entries()) bytes.writeUInt32LE(number >>> 0, index * 4);
  return bytes;
}

function strings(texts: readonly string[]): Buffer {
  for (const text of texts)
    if (text.includes("\0")) throw new TypeError(`a keeper cannot pass on ${JSON.stringify(text)}, which holds a NUL`);
  return Buffer.from(texts.map((text) => `${text}\0`).join(""));
}

function entry(key: number, value: Buffer): Buffer {
  return Buffer.concat([words([key, value.length]), value, Buffer.alloc(-value.length & 3)]);
}
