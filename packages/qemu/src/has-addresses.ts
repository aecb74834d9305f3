import type { AgentClient } from "@pileus/agent";
import { type Abortable, isInstanceError } from "@pileus/core";
import type { InstanceContext } from "@pileus/core/driver";

/** Whether each nic has the address that its network reserved; false also of a guest that cannot tell at the moment. */
export async function hasAddresses(
  agent: AgentClient,
  nics: InstanceContext["nics"],
  options: Abortable,
): Promise<boolean> {
  try {
    const present = new Set((await agent.addresses(options)).map(({ address }) => address));
    return nics.every((nic) => present.has(nic.ipv4.address));
  } catch (error) {
    // The guest is rebooting, or too busy to answer: ask its next agent, or ask again.
    if (isInstanceError(error, "ERR_CONNECTION", "ERR_TIMEOUT")) return false;
    throw error;
  }
}
