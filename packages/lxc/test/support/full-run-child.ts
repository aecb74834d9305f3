/** Lives through a full /run, of which it must have a mount namespace of its own: see full-run.root.test.ts. */

import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smallDisks } from "../../../../test-support/full-disk.ts";
import { subject } from "./lxc-subject.ts";

const [name] = process.argv.slice(2);
const disk = smallDisks({ megabytes: 4, inodes: 300 }).find((one) => one.name === name);
if (disk === undefined) throw new Error("usage: full-run-child.ts DISK");
const folder = await mkdtemp(join(tmpdir(), "pileus-full-run-"));
disk.mount("/run");
const root = join(folder, "root");
const host = await subject.open(root);
/** What was given back is used up again: nothing lives on what the call before has freed. */
const full = () => {
  disk.fill("/run");
  assert.equal(statfsSync("/run")[disk.left], 0);
};
try {
  const image = await subject.image(host);
  const create = (instance: string) => host.create({ name: instance, driver: subject.driver, image } as never);
  const [mine, theirs, again, idle] = [
    await create("mine"),
    await create("theirs"),
    await create("again"),
    await create("idle"),
  ];
  for (const instance of [mine, theirs, again]) await instance.start();

  full();
  await assert.rejects(idle.start(), { code: "ERR_HOST", message: /disk-space/ });
  assert.equal(await idle.state(), "stopped");

  full();
  const other = await subject.open(root);
  const found = await other.get("theirs");
  assert.equal(await found.state(), "running");
  await found.stop({ mode: "kill" });
  full();
  await found.delete();
  await other[Symbol.asyncDispose]();

  full();
  await mine.stop({ mode: "ask-then-kill" });
  assert.equal(await mine.state(), "stopped");
  // What the end gave back is enough.
  await again.restart({ mode: "kill" });
  for (const instance of [mine, again, idle]) {
    full();
    await instance.delete();
  }
  full();
  await host.images.delete(image.fingerprint);
  assert.deepEqual(await host.list(), []);
  assert.deepEqual(await subject.leftovers?.(root), []);
} finally {
  disk.drain("/run");
  for (const left of await host.list()) await (await host.get(left.name)).delete();
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
}
