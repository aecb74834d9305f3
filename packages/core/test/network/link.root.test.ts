import { closeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTap, interfaceNames, removeInterface } from "../../src/network/link.ts";
import { openTap } from "../../src/network/tap-device.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS } from "./fixtures/managed-place.ts";

const NAME = `pill${process.pid}`;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `l${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

describe("a tap", () => {
  it(
    "is created on the bridge, replaces one that a dead machine left, and is removed",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const { hostInterface: name } = await place.reserve("a");
      for (const owner of [undefined, 65534]) {
        await createTap({ name, bridge: NAME, owner });
        const { stdout } = await spawn(["ip", "-d", "link", "show", "dev", name]);
        expect(stdout).toContain(`master ${NAME}`);
        expect(stdout).toContain("tun type tap");
        expect(stdout.includes("user nobody")).toBe(owner !== undefined);
      }
      const descriptor = openTap(name);
      expect(() => openTap(name)).toThrow("EBUSY");
      closeSync(descriptor);
      closeSync(openTap(name));
      await removeInterface(name);
      await removeInterface(name);
      expect(await interfaceNames()).not.toContain(name);
      await expect(createTap({ name, bridge: "nobridge" })).rejects.toMatchObject({ code: "ERR_COMMAND" });
      expect(await interfaceNames()).not.toContain(name);
      await expect(createTap({ name: "lo", bridge: NAME })).rejects.toMatchObject({ code: "ERR_COMMAND" });
    }),
  );
});
