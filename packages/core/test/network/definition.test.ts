import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { NetworkConfigSchema } from "../../src/model/network.ts";
import { assertSameNetwork, readDefinition, writeDefinition } from "../../src/network/definition.ts";

it.each(["a.localhost", "example.1"])("reads the domain %s, which an earlier release accepted", async (domain) => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-definition-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "network.json");
  const config = {
    ...NetworkConfigSchema.parse({ name: "n" }),
    ipv4: { address: "10.1.2.1/24", nat: true },
    dns: { domain },
  };
  expect(NetworkConfigSchema.safeParse(config).success).toBe(false);
  await writeDefinition(path, config);
  expect(await readDefinition(path)).toEqual(config);
});

it("reads an egress policy and an address that an earlier release accepted", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-definition-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "network.json");
  const config = {
    ...NetworkConfigSchema.parse({ name: "n" }),
    ipv4: { address: "169.254.7.1/24", nat: true },
    egress: { allow: ["10.0.0.1/8"] },
  };
  expect(NetworkConfigSchema.safeParse(config).success).toBe(false);
  await writeDefinition(path, config);
  expect(await readDefinition(path)).toEqual(config);
});

it("is told apart from another by what differs", () => {
  const wanted = NetworkConfigSchema.parse({ name: "n", egress: { allow: [] } });
  const defined = { ...wanted, ipv4: { address: "10.1.2.1/24", nat: true } };
  assertSameNetwork(defined, wanted);
  assertSameNetwork(defined, { ...wanted, host: undefined });
  const other = { ...wanted, egress: { allow: ["10.0.0.0/8"] }, host: { allow: [80] } };
  expect(() => assertSameNetwork(defined, other)).toThrow(/network "n" already exists.*another egress and host,/);
  const nat = { ...wanted, ipv4: { nat: false } };
  expect(() => assertSameNetwork(defined, nat)).toThrow(/another ipv4,/);
});

it("reads the keys of an early release, which were not nested", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-definition-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "network.json");
  const config = { name: "n", "ipv4.nat": false, "dns.domain": "lab", "ipv4.address": "10.1.2.1/24" };
  await writeFile(path, JSON.stringify({ version: 1, config }));
  expect(await readDefinition(path)).toEqual({
    name: "n",
    ipv4: { address: "10.1.2.1/24", nat: false },
    dns: { domain: "lab" },
    isolated: false,
  });
});
