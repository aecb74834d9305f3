/** The events of a host, as a loop, with the in-memory driver, which unit tests use too. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";

const root = await mkdtemp(join(tmpdir(), "pileus-example-"));
try {
  await using host = await openHost({ root, drivers: [fake()] });
  const watching = (async () => {
    for await (const event of host.watch()) {
      console.log(event.type, event.instance, event.type === "state" ? event.state : "");
      if (event.type === "deleted") return;
    }
  })();

  const image = await importFakeImage(host);
  await using instance = await host.create({ driver: "fake", name: "demo", image });
  await instance.start();
  console.log((await instance.run(["echo", "hello"])).stdout.trim());
  await instance.stop();
  await instance.delete();
  await watching;
} finally {
  await rm(root, { recursive: true, force: true });
}
