import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { INIT_HELPER_BINARIES } from "../src/init-helper-binary.ts";

const EIO = 5;

it.each([
  ["no orders", Buffer.alloc(0)],
  ["orders that are cut short", Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 8, 0, 0, 0])],
])("PID 1 with %s says that it cannot read them, and not that its console failed", async (_, orders) => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-init-"));
  const [helper, announce] = [join(folder, "init"), join(folder, "announce")];
  writeFileSync(helper, Buffer.concat([Buffer.from(INIT_HELPER_BINARIES[process.arch] ?? "", "base64"), orders]), {
    mode: 0o700,
  });
  const server = createServer().listen(announce);
  try {
    await once(server, "listening");
    const child = startChild([helper, announce]);
    const [socket] = await once(server, "connection");
    // GO of packages/core/keeper/announce.h.
    socket.write(Buffer.from([0]));
    const said: Buffer[] = await socket.toArray();
    const failed = Buffer.concat(said);
    expect([failed.readUInt32LE(0), failed.readUInt32LE(4)]).toEqual([6, EIO]);
    expect(await child.exit).toEqual({ kind: "exited", code: 126 });
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
