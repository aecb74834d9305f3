/** Raises the memory of an instance while it runs, with the in-memory driver: `update()` is the same for all kinds. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";

const root = await mkdtemp(join(tmpdir(), "pileus-example-"));
try {
  await using host = await openHost({ root, drivers: [fake()] });
  const image = await importFakeImage(host);
  await using box = await host.ephemeral({ driver: "fake", name: "box", image, limits: { memory: "64MiB" } });

  // What would happen: a container gets it at once, and so does a virtual machine that has room for it.
  const change = { limits: { memory: "128MiB" }, env: { CACHE: "100MiB" } };
  for (const { path, effect } of (await box.plan(change)).changes) console.log(path, "is", effect);

  await box.update(change);
  console.log("it may use", (await box.metrics()).memory.limitBytes, "bytes");
  const { config, applied = config } = await box.inspect();
  console.log("configured", config.env, "and running with", applied.env);

  // null takes a limit away.
  await box.update({ limits: { memory: null } });
  console.log("it may use", (await box.metrics()).memory.limitBytes ?? "any number of", "bytes");
} finally {
  await rm(root, { recursive: true, force: true });
}
