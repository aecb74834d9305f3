/** Starts a program that outlives its starter, and reads it by its id, with the in-memory driver. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";

const root = await mkdtemp(join(tmpdir(), "pileus-example-"));
try {
  await using host = await openHost({ root, drivers: [fake()] });
  const image = await importFakeImage(host);
  await using box = await host.ephemeral({ driver: "fake", name: "box", image });

  const { id } = await box.exec(["sh", "-c", "echo one; sleep 0.2; echo two >&2; exit 3"], { detached: true });

  // From here on, this could be another process: it needs the name of the instance and the id.
  for (const { argv, state } of await box.processes()) console.log(argv.at(-1), "is", state);
  let next = 0;
  {
    await using first = await box.attach(id);
    for await (const { stream, offset, data } of first.output) {
      console.log(`${stream} from byte ${offset}: ${data.toString().trim()}`);
      next = offset + data.length;
      break;
    }
  }
  await using rest = await box.attach(id, { offset: next });
  for await (const { stream, offset, data } of rest.output)
    console.log(`${stream} from byte ${offset}: ${data.toString().trim()}`);
  console.log(await rest.exit);
} finally {
  await rm(root, { recursive: true, force: true });
}
