import type { AgentClient } from "@pileus/agent";
import type { Abortable, Timed } from "@pileus/core";
import { withDeadline } from "@pileus/core/driver";
import type { AgentLink } from "./agent-link.ts";
import { hasOpenPort } from "./ask-qemu.ts";
import type { QmpClient } from "./qmp/client.ts";

/** How long a session with an agent that is not needed may take to begin, in milliseconds. */
const SESSION_TIMEOUT = 5000;

/** How long a guest may take to tell its metrics and programs before a freeze, or to set its clock after it, in milliseconds. */
export const ANSWER_TIMEOUT = 15_000;

/** How the agent of a machine may be reached. */
export interface AgentReach {
  readonly link: AgentLink | undefined;
  readonly qmp: QmpClient | undefined;
}

/** The session with an agent that answers and that has a port to spare. */
export async function agentIfFree(
  { link, qmp }: AgentReach,
  { signal, timeout = SESSION_TIMEOUT }: Abortable & Timed,
  session: "session" | "sessionIfFree" = "sessionIfFree",
): Promise<AgentClient | undefined> {
  if (link === undefined || link.current !== undefined) return link?.current;
  try {
    // Without it, the agent of a guest that boots would be waited for.
    const looking = { action: "looking for an open port", timeout, signal };
    const isOpen = async (limited: AbortSignal) => qmp === undefined || hasOpenPort(qmp, { signal: limited });
    if (!(await withDeadline(looking, isOpen))) return undefined;
    return await link[session]({ signal, timeout });
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** Asks the agent what can be done without: a guest that does not answer, or answers nonsense, can still be frozen and unfrozen. */
export async function askAgent(
  reach: AgentReach,
  { signal }: Abortable,
  ask: (agent: AgentClient, options: Abortable) => Promise<void>,
  session?: "session",
): Promise<void> {
  const agent = await agentIfFree(reach, { signal, timeout: ANSWER_TIMEOUT }, session);
  if (agent === undefined) return;
  const asking = { action: "asking the agent", timeout: ANSWER_TIMEOUT, signal };
  try {
    await withDeadline(asking, (limited) => ask(agent, { signal: limited }));
  } catch {
    signal?.throwIfAborted();
  }
}
