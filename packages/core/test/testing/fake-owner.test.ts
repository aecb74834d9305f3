import { expect, it } from "vitest";
import { FakeMachine } from "../../src/testing/fake/machine.ts";
import { PROGRAMS } from "../../src/testing/fake/programs.ts";
import { FakeRunning, type RunningOptions } from "../../src/testing/fake/running.ts";
import { FakeTree } from "../../src/testing/fake/tree.ts";
import { FakeWorld } from "../../src/testing/fake/world.ts";

it("gives new files of a fake instance to the user of its image, as programs do", async () => {
  const tree = new FakeTree();
  tree.makeFolders("/etc");
  tree.write("/etc/passwd", Buffer.from("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"));
  const machine = new FakeMachine(tree, PROGRAMS, { obeys: true, output: undefined as never, limits: {} });
  const { files } = new FakeRunning({
    capabilities: new Set(["files"]),
    world: new FakeWorld(),
    faults: {},
    machine,
    instance: { name: "web", image: { process: { user: "app" } } },
  } as unknown as RunningOptions).asRunning();
  await files.mkdir("/made", {});
  const { stream, done } = await files.write("/made/f", { gid: 0 });
  stream.end("x");
  await done;
  expect(await files.owner?.({})).toEqual({ uid: 1000, gid: 1001 });
  expect(await files.stat("/made", {})).toMatchObject({ uid: 1000, gid: 1001 });
  expect(await files.stat("/made/f", {})).toMatchObject({ uid: 1000, gid: 0 });
});
