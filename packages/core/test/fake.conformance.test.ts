import { openHost } from "@pileus/core";
import {
  type DriverSubject,
  describeDriver,
  FakeWorld,
  FIXTURE_USER,
  fake,
  importFakeImage,
} from "@pileus/core/testing";
import { afterAll, describe, it } from "vitest";

const runner = { describe, it, afterAll };

function fakeSubject(world: FakeWorld, driver: ReturnType<typeof fake>): DriverSubject {
  const { name, uid, gid, groupId } = FIXTURE_USER;
  return {
    driver: driver.name,
    capabilities: [...driver.capabilities],
    open: (root) => openHost({ root, drivers: [driver] }),
    image: (host) => importFakeImage(host),
    stubborn: { [driver.name]: { stubborn: true } },
    account: { name, uid, gid, groups: [gid, groupId] },
    prints: { stream: "console", text: /kit-shared: up\n/ },
    crash: { how: "abandon" },
    lose: async ({ uuid }) => world.machines.get(uuid)?.end({ kind: "signaled", signal: "SIGKILL" }),
    leftovers: async () => world.leftovers(),
    deadline: 3000,
  };
}

const world = new FakeWorld();
describeDriver(runner, fakeSubject(world, fake({ world })));

const narrowWorld = new FakeWorld();
const narrow = fake({ name: "narrow", capabilities: ["exec", "logs"], world: narrowWorld });
describeDriver(runner, fakeSubject(narrowWorld, narrow as ReturnType<typeof fake>));

const bareWorld = new FakeWorld();
const bare = fake({ name: "bare", capabilities: [], world: bareWorld });
describeDriver(runner, fakeSubject(bareWorld, bare as unknown as ReturnType<typeof fake>));
