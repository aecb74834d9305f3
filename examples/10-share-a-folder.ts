/** Shares a folder of the host with a container while it runs, read-only and then not. Needs root and liblxc. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isInstanceError, openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";

const folder = await mkdtemp(join(tmpdir(), "pileus-example-"));
try {
  const source = join(folder, "source");
  await mkdir(source);
  await writeFile(join(source, "main.c"), "int main() { return 0; }\n");
  await makeBusyboxRootfs(join(folder, "rootfs"));
  await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
  const image = await host.images.import(join(folder, "rootfs"));
  await using box = await host.ephemeral({ driver: "lxc", name: "box", image });

  const disk = { type: "disk", source, path: "/src" } as const;
  await box.attachDevice("source", { ...disk, readonly: true });
  console.log("inside:", (await box.run(["wc", "-l", "/src/main.c"])).stdout.trim());
  console.log("a write ends with", (await box.run(["touch", "/src/main.o"])).exitCode);

  await box.update({ devices: { source: disk } });
  await box.run(["cp", "/src/main.c", "/src/main.o"], { check: true });
  console.log("on the host:", (await readFile(join(source, "main.o"))).length, "bytes");

  // A program that uses it keeps it there.
  const program = await box.exec(["sh", "-c", "cd /src && echo in && exec sleep 1000"]);
  for await (const _ of program.stdout) break;
  await box.detachDevice("source").catch((error: unknown) => {
    if (!isInstanceError(error, "ERR_DEVICE_IN_USE")) throw error;
    console.log("in use by", error.users.map((user) => user.replace(/^\d+ /, "")).join(", "));
  });
  await box.detachDevice("source", { force: true });
  await program.kill("SIGKILL");
  console.log("detached:", Object.keys((await box.inspect()).config.devices));
} finally {
  await rm(folder, { recursive: true, force: true });
}
