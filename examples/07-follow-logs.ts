/** Follows what an instance prints until it ends, with the in-memory driver, which unit tests use too. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";

const root = await mkdtemp(join(tmpdir(), "pileus-example-"));
try {
  await using host = await openHost({ root, drivers: [fake({ kind: "application-container" })] });
  const image = await importFakeImage(host);
  await using app = await host.ephemeral({
    driver: "fake",
    name: "app",
    image,
    fake: { main: ["sh", "-c", "echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three"] },
  });

  // Both streams, in the order of the output; ends when the program ends.
  for await (const chunk of await app.logs({ follow: true, timestamps: true })) process.stdout.write(chunk);
  const { status, startedAt = 0, finishedAt = 0 } = await app.wait();
  console.log(status, `after ${finishedAt - startedAt} ms`);

  // Also of what has ended: the last line of one stream.
  for await (const chunk of await app.logs({ stream: "stdout", tail: 1 })) process.stdout.write(chunk);
} finally {
  await rm(root, { recursive: true, force: true });
}
