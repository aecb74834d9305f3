import { statSync } from "node:fs";
import { join } from "node:path";
import { identifyProcess, type ProcessIdentity } from "../system/process-identity.ts";
import { readHeldRun } from "./held-run.ts";

/** The descriptor at which a holder has `status` open: packages/core/keeper/holder.h. */
const STATUS = 12;

/**
 * The holder of the run of this folder, if it lives, whether there is a keeper or not. Its pid is on record, and may belong to
 * another process by now; but no other process has this file open there.
 */
export async function findHolder(run: string): Promise<ProcessIdentity | undefined> {
  const held = await readHeldRun(run);
  const identity = held && (await identifyProcess(held.holder));
  if (identity === undefined) return undefined;
  const [its, ours] = [`/proc/${identity.pid}/fd/${STATUS}`, join(run, "status")].map(identityOf);
  return its !== undefined && its === ours ? identity : undefined;
}

function identityOf(path: string): string | undefined {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found && `${found.dev}:${found.ino}`;
  } catch (error) {
    // proc(5): a process that is ending has no descriptors any more.
    if (["EACCES", "ESRCH", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
