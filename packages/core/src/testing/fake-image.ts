import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Images } from "../contract/images.ts";
import type { Image } from "../model/image.ts";
import { FIXTURE_USER } from "./busybox-rootfs.ts";

const { name, uid, gid, home, group, groupId } = FIXTURE_USER;
const FILES: Readonly<Record<string, string>> = {
  "/etc/passwd": `root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n${name}:x:${uid}:${gid}:${name}:${home}:/bin/sh\n`,
  "/etc/group": `root:x:0:\ndaemon:x:1:\nwheel:x:10:root\n${name}:x:${gid}:\n${group}:x:${groupId}:${name}\n`,
  "/etc/os-release": "ID=fake\nVERSION_ID=1\n",
};

/**
 * Imports an image for fake instances: a few text files with the accounts of the other fixtures, and files of the
 * caller by absolute path.
 */
export async function importFakeImage(
  host: { readonly images: Images },
  files: Readonly<Record<string, string>> = {},
): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-fake-image-"));
  try {
    for (const [path, content] of Object.entries({ ...FILES, ...files })) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    return await host.images.import(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
