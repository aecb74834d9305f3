import { join } from "node:path";
import { z } from "zod";
import { waitStatus } from "../files/wait-status.ts";
import { readIfThere } from "../system/read-if-there.ts";
import type { ExitStatus } from "../terms/state.ts";

// A later version may say more.
const KeeperExitSchema = z.looseObject({
  version: z.number().int(),
  pid: z.number().int(),
  status: z.number().int().optional(),
  failed: z.boolean().optional(),
  oomKills: z.number().int().optional(),
  startedAt: z.number().optional(),
  endedAt: z.number(),
  cpuNanoseconds: z.number().optional(),
  memoryPeak: z.number().optional(),
  lostEntries: z.number().int(),
  lostBytes: z.number().int(),
  boots: z.number().int(),
});

/** How a run of a keeper ended. */
export interface KeeperExit {
  /** The pid of the program, on the host; 0 if it never ran. */
  readonly program: number;
  /** How the program ended, as the kernel told its parent. Absent: nobody could wait for it. */
  readonly status?: ExitStatus | undefined;
  /** The program never ran. */
  readonly failed: boolean;
  /** How often the kernel's OOM killer struck during the run. Absent: it could not be counted. */
  readonly oomKills?: number | undefined;
  /** When the program was started first, in milliseconds since the epoch. */
  readonly startedAt?: number | undefined;
  /** When the run ended, in milliseconds since the epoch. Absent: no keeper saw it. */
  readonly endedAt?: number | undefined;
  /** Processor time, in seconds. */
  readonly cpuSeconds?: number | undefined;
  /** The most memory that was in use, in bytes. */
  readonly memoryPeakBytes?: number | undefined;
  /** How many entries of the log had no room on the disk. */
  readonly lostEntries: number;
  /** How often the program was started: once, and again by each reboot inside. */
  readonly boots: number;
}

/** Reads the text of `run/exit`; `undefined` when it is none. */
export function parseKeeperExit(text: string): KeeperExit | undefined {
  const read = KeeperExitSchema.safeParse(ifJson(text));
  if (!read.success) return undefined;
  const { pid, status, failed = false, oomKills, startedAt, endedAt, cpuNanoseconds, memoryPeak } = read.data;
  return {
    program: pid,
    status: status === undefined ? undefined : waitStatus(status),
    failed,
    oomKills,
    startedAt,
    endedAt,
    cpuSeconds: cpuNanoseconds === undefined ? undefined : cpuNanoseconds / 1e9,
    memoryPeakBytes: memoryPeak,
    lostEntries: read.data.lostEntries,
    boots: read.data.boots,
  };
}

/**
 * How the run of this folder ended, in whatever process. If its keeper was killed first, only the status, which the
 * program's parent has left. `undefined` while it runs, or when nobody could record its end. `holder`: the parent of the
 * program whose end is asked for. Then `undefined`, too, when the next run has begun in the folder.
 */
export async function readKeeperExit(run: string, holder?: number): Promise<KeeperExit | undefined> {
  const exit = (await readExitFile(run)) ?? (await readStatus(run));
  return (await isRunOf(run, holder)) ? exit : undefined;
}

/** What the program's parent has left. */
async function readStatus(run: string): Promise<KeeperExit | undefined> {
  const [pid, status, cpu] = numbers(await readIfThere(join(run, "status")));
  const [, boots = 1] = numbers(await readIfThere(join(run, "holder")));
  if (pid === undefined || status === undefined) return undefined;
  const cpuSeconds = cpu === undefined || cpu === 0 ? undefined : cpu / 1e9;
  return { program: pid, status: waitStatus(status), failed: false, cpuSeconds, lostEntries: 0, boots };
}

/** What a keeper recorded at the end of the run; see {@link readKeeperExit}. */
export async function readExitFile(run: string, holder?: number): Promise<KeeperExit | undefined> {
  const text = await readIfThere(join(run, "exit"));
  return text !== undefined && (await isRunOf(run, holder)) ? parseKeeperExit(text) : undefined;
}

/** Asked after a record was read: the next run removes this file together with the records, before it makes its own. */
async function isRunOf(run: string, holder: number | undefined): Promise<boolean> {
  return holder === undefined || numbers(await readIfThere(join(run, "holder")))[0] === holder;
}

/** The numbers of a line of `run/status` or `run/holder`. */
export function numbers(line: string | undefined): readonly number[] {
  return /^\d+(?: \d+)* *\n$/.test(line ?? "") ? (line as string).trim().split(" ").map(Number) : [];
}

function ifJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not whole.
    return undefined;
  }
}
