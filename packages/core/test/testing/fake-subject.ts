import type { Driver } from "@pileus/core";
import {
  blinded,
  type DriverSubject,
  type FakeProgram,
  type FakeWorld,
  FIXTURE_USER,
  hanging,
  importFakeImage,
} from "@pileus/core/testing";
import { openHostWith } from "../../src/host.ts";
import { openImageStore } from "../../src/images/store.ts";
import { FAKE_NETWORK, fakeNetworks } from "./fake-networks.ts";

/** For the fake drivers that the kit asks: a program that the kernel kills because memory runs out. */
export const GREEDY: Readonly<Record<string, FakeProgram>> = {
  greedy(call) {
    call.runOutOfMemory();
    return 0;
  },
};

/** The description of a fake driver for the kit. `capabilities` are those that it is to have, whatever the driver declares. */
export function fakeSubject(
  world: FakeWorld,
  driver: Driver,
  capabilities: DriverSubject["capabilities"] = [...driver.capabilities],
): DriverSubject {
  const { name, uid, gid, groupId } = FIXTURE_USER;
  const networks = fakeNetworks();
  const parts = {
    openImages: openImageStore,
    openNetworks: async () => networks,
    probeNetworks: async () => ({ missing: [], facts: [] }),
  };
  const hangingAt = (arrived: () => void) => ({
    openNetworks: async () => ({
      ...networks,
      rename: () => {
        arrived();
        return new Promise<never>(() => undefined);
      },
    }),
  });
  return {
    driver: driver.name,
    capabilities,
    open: (root) => openHostWith({ root, drivers: [driver] }, parts),
    openBlind: (root) => openHostWith({ root, drivers: [blinded(driver)] }, parts),
    openHanging: (root, step, arrived) => openHostWith({ root, drivers: [hanging(driver, step, arrived)] }, parts),
    openHangingNetworks: (root, arrived) =>
      openHostWith({ root, drivers: [driver] }, { ...parts, ...hangingAt(arrived) }),
    config: { devices: { eth0: { type: "nic", network: FAKE_NETWORK } } },
    image: (host) => importFakeImage(host),
    stubborn: { [driver.name]: { stubborn: true } },
    missing: async () => ({ program: "/no-such", config: { [driver.name]: { init: "/no-such" } } }),
    account: { name, uid, gid, groups: [gid, groupId] },
    greedy: { argv: ["greedy"] },
    prints: { stream: "console", text: /kit-shared: up\n/ },
    // Nothing runs.
    unconfined: ["files", "processes", "kernel settings", "mounts", "devices", "rights of exec", "network"],
    crash: { how: "abandon" },
    lose: async ({ uuid }) => world.machines.get(uuid)?.end({ kind: "signaled", signal: "SIGKILL" }),
    leftovers: async () => world.leftovers(),
    deadline: 3000,
  };
}
