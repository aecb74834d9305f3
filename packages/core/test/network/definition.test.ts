import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { NetworkConfigSchema } from "../../src/model/network.ts";
import { readDefinition, writeDefinition } from "../../src/network/definition.ts";

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
