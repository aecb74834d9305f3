import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, NotFoundError } from "../../src/contract/errors.ts";
import type { NetworkManager } from "../../src/engine/ports.ts";
import { openNetworks } from "../../src/network/networks.ts";

let folder: string;
let networks: NetworkManager;
const failure = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-networks-"));
  networks = openNetworks({ folder: join(folder, "networks"), hostId: "0".repeat(12) });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the definition of a network", () => {
  it("names the key that was meant by an unknown one, before anything is touched", async () => {
    const definition = { name: "net0", "ipv4.adress": "10.90.0.1/24" };
    const error = await failure(networks.create(definition));
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain('ipv4.adress: unknown key; did you mean "ipv4.address"?');
  });
});

describe("the name of a network", () => {
  it.each([undefined, null, 7, {}, "../x", ""])("that is %j is that of none", async (name) => {
    expect(await failure(networks.get(name as string))).toBeInstanceOf(NotFoundError);
    expect(await failure(networks.delete(name as string))).toBeUndefined();
  });
});
