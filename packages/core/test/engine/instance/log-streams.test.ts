import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openHost } from "../../../src/host.ts";
import { fake } from "../../../src/testing/fake-driver.ts";
import { importFakeImage } from "../../../src/testing/fake-image.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-log-streams-"));
});
afterEach(() => rm(root, { recursive: true }));

it.each(["system-container", "virtual-machine"] as const)(
  "a stream that a %s does not have is refused in the words of every system",
  async (kind) => {
    await using host = await openHost({ root, drivers: [fake({ kind })] });
    const instance = await host.create({ driver: "fake", name: "a", image: await importFakeImage(host) });
    await expect(instance.logs({ stream: "stdout" })).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED",
      reason: "a system prints to its console only",
    });
  },
);
