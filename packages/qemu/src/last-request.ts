import { isInstanceError } from "@pileus/core";

/** Asks a guest to end. One that shuts down or reboots may end its agent before the agent has answered. */
export async function lastRequest(request: () => Promise<void>): Promise<void> {
  try {
    await request();
  } catch (error) {
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  }
}
