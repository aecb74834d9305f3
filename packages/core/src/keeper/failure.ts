import { constants } from "node:os";
import { ConnectionError, FileError, HostError, NotFoundError } from "../errors/all.ts";

/** Why a keeper did not start its program. */
export interface KeeperFailure {
  /** One of {@link STEP}, in the lowest eight bits. */
  readonly step: number;
  /** The error number of the step, or 0. Of the step `setUp` the wait status of PID 1: wait(2). */
  readonly errno: number;
  /** What a starter has printed, unfiltered. */
  readonly text: string;
}

/** The steps of packages/core/keeper/holder.h. */
export const STEP = {
  cgroup: 1,
  reserve: 2,
  streams: 3,
  folder: 4,
  run: 5,
  start: 6,
  init: 7,
  namespace: 8,
  idmap: 9,
  setUp: 10,
} as const;

/** The name of an error number: `ENOENT`. */
export function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `error ${errno}`;
}

/** The error for a keeper that did not start `program` in the folder `cwd`. */
export function startError({ step, errno }: KeeperFailure, program: string, cwd: string): Error {
  const code = errnoName(errno);
  switch (step) {
    case STEP.cgroup: {
      const fix = "mount the cgroup file systems for writing, or let this process make cgroups at their root";
      return new HostError(`start ${program}`, [
        { need: "cgroup", reason: `it cannot be made or entered: ${code}`, fix },
      ]);
    }
    case STEP.start:
      if (errno === 0) return killedHolder(program);
      break;
    case STEP.run:
      if (code === "ENOENT") return new NotFoundError("program", program);
      return new FileError({ verb: "run", path: program, errno: code });
    case STEP.folder:
      return new FileError({ verb: "enter", path: cwd, errno: code });
  }
  const what = step === STEP.reserve ? "reserve space in the run's folder" : "start the program";
  // The engine adds the fix.
  return Object.assign(new Error(`${what}: ${code}`), { code, errno, syscall: "start" });
}

/** The error for a start whose holder has ended before the program ran, and has said nothing. */
export function killedHolder(program: string): ConnectionError {
  const why = "it was killed before the program ran: look for the OOM killer in dmesg(1), and start again";
  return new ConnectionError(`the parent of ${program}`, why);
}
