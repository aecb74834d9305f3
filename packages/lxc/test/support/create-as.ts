/**
 * Tries to create a container as another user: `create-as.ts UID FOLDER`. The folder belongs to that user. Prints the
 * error's code and what is missing.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HostError, openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

const [uid = "", folder = ""] = process.argv.slice(2);
process.setgroups?.([]);
process.setgid?.(Number(uid));
process.setuid?.(Number(uid));
const rootfs = join(folder, "rootfs");
await mkdir(join(rootfs, "etc"), { recursive: true });
await writeFile(join(rootfs, "etc", "os-release"), "ID=none\n");
const host = await openHost({ root: join(folder, "state"), drivers: [lxc()] });
const image = await host.images.import(rootfs);
try {
  await host.create({ driver: "lxc", name: "refused", image });
} catch (error) {
  if (!(error instanceof HostError)) throw error;
  process.stdout.write(`${error.code} ${error.missing.map(({ need }) => need).join()}`);
}
process.stdout.write(` ${(await host.list()).length}\n`);
await host[Symbol.asyncDispose]();
