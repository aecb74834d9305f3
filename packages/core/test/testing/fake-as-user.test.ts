import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openHost } from "../../src/index.ts";
import { fake, importFakeImage } from "../../src/testing/index.ts";

// Whoever runs these tests as root stands for an ordinary user meanwhile.
const NOBODY = 65534;
const [uid, gid] = [process.geteuid?.(), process.getegid?.()];
beforeAll(() => {
  if (uid !== 0) return;
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
});
afterAll(() => {
  if (uid !== 0) return;
  process.seteuid?.(uid);
  process.setegid?.(gid ?? 0);
});

it("lets a user without rights try a program on an instance", async () => {
  const root = await mkdtemp(join(tmpdir(), "pileus-fake-as-user-"));
  const host = await openHost({ root, drivers: [fake()] });
  try {
    const image = await importFakeImage(host, { "/srv/motd": "welcome\n" });
    const instance = await host.ephemeral({ name: "web", driver: "fake", image });
    expect((await instance.run(["cat", "/srv/motd"])).stdout).toBe("welcome\n");
    expect(await instance.files.stat("/srv/motd")).toMatchObject({ uid: 0, gid: 0 });
    await instance.delete();
  } finally {
    await host[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  }
});
