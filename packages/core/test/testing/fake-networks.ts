import type { NicAttachment } from "../../src/contract/nic-attachment.ts";
import { NotFoundError } from "../../src/errors/all.ts";
import type { Abortable } from "../../src/flow/abortable.ts";
import type { NetworkManager } from "../../src/network/network-manager.ts";

/** The network that {@link fakeNetworks} has. */
export const FAKE_NETWORK = "net0";

/**
 * The networks of a host, in memory: one of them, on which every nic gets the next address. For several hosts at once.
 */
export function fakeNetworks(): NetworkManager {
  const held = new Map<string, readonly NicAttachment[]>();
  let last = 1;
  const unused = async (_: unknown, options?: Abortable): Promise<never> => {
    options?.signal?.throwIfAborted();
    throw new Error("no test uses it");
  };
  const info = {
    name: FAKE_NETWORK,
    up: true,
    ipv4: { address: "10.90.0.1/24", nat: true },
    dns: { domain: "fake" },
    isolated: false,
  };
  const attach = (device: string): NicAttachment => {
    last += 1;
    return {
      device,
      network: FAKE_NETWORK,
      bridge: FAKE_NETWORK,
      hostInterface: `fake${last}`,
      mac: `02:00:00:00:00:${last.toString(16).padStart(2, "0")}`,
      ipv4: { address: `10.90.0.${last}`, prefix: 24, gateway: "10.90.0.1" },
      dns: { servers: ["10.90.0.1"], domain: "fake" },
    };
  };
  return {
    get: async (name, options) => {
      options?.signal?.throwIfAborted();
      if (name !== FAKE_NETWORK) throw new NotFoundError("network", name);
      return info;
    },
    list: async (options) => {
      options?.signal?.throwIfAborted();
      return [info];
    },
    create: unused,
    delete: unused,
    reserve: async ({ uuid }, devices) => {
      const attachments = held.get(uuid) ?? Object.keys(devices).sort().map(attach);
      held.set(uuid, attachments);
      return attachments;
    },
    attachments: async ({ uuid }) => held.get(uuid) ?? [],
    bringUp: async () => undefined,
    restore: async () => undefined,
    rename: async () => undefined,
    release: async ({ uuid }) => void held.delete(uuid),
    issues: async () => [],
    [Symbol.asyncDispose]: async () => undefined,
  };
}
