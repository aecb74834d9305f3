import { isInstanceError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { findKeeper } from "./keeper.ts";

/**
 * Resolves when everything that the program of this run has printed before the call is in the log. At once when the run
 * has ended, or its keeper was killed.
 */
export async function syncLog(run: string, options: Abortable = {}): Promise<void> {
  try {
    const keeper = await findKeeper(run, {}, options);
    try {
      await keeper.sync(options);
    } finally {
      keeper.detach();
    }
  } catch (error) {
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  }
}
