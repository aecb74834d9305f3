import type { Abortable } from "../../flow/abortable.ts";
import { abortable, Deadline, linkSignals } from "../../flow/deadline.ts";
import type { NetworkManager, NicOwner } from "../../network/network-manager.ts";
import { stepTimeout } from "./step-timeouts.ts";

/**
 * Limits what calls wait for under the lock of an instance: a tool or a server of a network may never answer. (Other
 * calls wait for locks only, which the networks limit themselves.) An abort
 * ends the work, and as with a driver is waited for, at most until the deadline of the step. Work that is given up
 * still has the lock of its network, so it cannot come after that of a later call.
 */
export function gateNetworks(networks: NetworkManager): NetworkManager {
  return {
    create: (config, options) => networks.create(config, options),
    get: (name, options) => networks.get(name, options),
    list: (options) => networks.list(options),
    delete: (name, options) => networks.delete(name, options),
    reserve: (owner, devices, options) => networks.reserve(owner, devices, options),
    attachments: (owner, options) => networks.attachments(owner, options),
    bringUp: (owner, options) => limited("bringUp", owner, options, (within) => networks.bringUp(owner, within)),
    restore: (uuids, options) => networks.restore(uuids, options),
    rename: (owner, options) => limited("rename", owner, options, (within) => networks.rename(owner, within)),
    release: (owner, options) => limited("release", owner, options, (within) => networks.release(owner, within)),
    issues: () => networks.issues(),
    [Symbol.asyncDispose]: () => networks[Symbol.asyncDispose](),
  };
}

/** What each step does, for messages. */
const ACTIONS = {
  bringUp: "bringing up the networks",
  rename: "giving the networks the name",
  release: "releasing the addresses",
} as const;

/** @throws {TimeoutError} when the deadline of the step has passed */
async function limited<T>(
  step: keyof typeof ACTIONS,
  { name }: NicOwner,
  { signal }: Abortable = {},
  call: (options: Abortable) => Promise<T>,
): Promise<T> {
  using deadline = new Deadline({
    action: `${ACTIONS[step]} of instance "${name}"`,
    timeout: stepTimeout(`networks.${step}`),
    hint:
      "a tool or the server of a network does not answer (host.doctor() says what is wrong with them), or a process that " +
      "does not react has locked the network: find it with fuser networks/.lock-NAME in the root folder, and end it",
  });
  using either = linkSignals(signal, deadline.signal);
  return await abortable(call({ signal: either.signal }), deadline.signal);
}
