import type { Capability } from "@pileus/core";
import type { AgentLink } from "./agent-link.ts";
import type { KeptMachine } from "./kept.ts";

/** Why a guest without our agent can run nothing. */
export const NO_AGENT = "this guest boots without our agent: from a disk image, or with an initramfs of its own";

/** Why a guest that an earlier release has started holds no detached programs. */
export const OLD_AGENT = "its guest has the agent of an earlier release, until its next start";

const NEED_AGENT: readonly Capability[] = ["exec", "detached", "files", "network", "reboot"];

const NO_KEEPER =
  "nobody keeps its console: an earlier release started the machine, or its keeper was killed with the holder; the next start gives it a new one";

/** Why a machine does not have a capability now; `undefined` if it has. */
export function lacks(
  capability: Capability,
  { agent, kept }: { readonly agent: AgentLink | undefined; readonly kept: KeptMachine | undefined },
): string | undefined {
  if (capability === "console") return kept?.isKept ? undefined : NO_KEEPER;
  if (!NEED_AGENT.includes(capability)) return undefined;
  if (agent === undefined) return NO_AGENT;
  const { failure, latest } = agent;
  if (failure !== undefined) return failure.message;
  return capability === "detached" && latest !== undefined && latest.programs === undefined ? OLD_AGENT : undefined;
}
