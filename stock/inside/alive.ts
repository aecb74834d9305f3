import assert from "node:assert/strict";
import { nameOf } from "./application.ts";
import { cgroupValues, DRIVERS, FACTOR, NETWORK, open } from "./host.ts";

const timeout = 30_000 * FACTOR;

/** When each instance of the application was started last: a second run has another time. */
export async function startTimes(): Promise<readonly unknown[]> {
  await using host = await open();
  return (await host.list()).map(({ name, startedAt }) => [name, startedAt]);
}

/** Opens the host anew, and asserts that everything of the application runs: instances, limits, network, DNS. */
export async function assertAllAlive(): Promise<void> {
  await using host = await open();
  for (const driver of DRIVERS) {
    const instance = await host.get(nameOf(driver));
    assert.equal(await instance.state(), "running", `the instance of ${driver}`);
    assert.equal((await instance.run(["cat", "/root/kept"], { check: true, timeout })).stdout, driver);
    const values = cgroupValues(nameOf(driver), ["memory.max", "cpu.max", "pids.max"]);
    assert.deepEqual(values, ["67108864", "50000 100000", "60"], `the limits of ${driver}`);
  }
  assert.equal((await host.networks.get(NETWORK.name)).up, true, "the network is up");
  // One finds the other by its name, and reaches it.
  const [from, to] = DRIVERS;
  const ping = ["ping", "-c", "1", "-W", "10", nameOf(to)];
  await (await host.get(nameOf(from))).run(ping, { check: true, timeout });
}

/** Removes everything of the application. */
export async function removeAll(): Promise<void> {
  await using host = await open();
  for (const { name } of await host.list()) await (await host.get(name)).delete();
  for (const { name } of await host.networks.list()) await host.networks.delete(name);
}
