import { mkdir, open, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { spawn } from "@pileus/core/driver";
import type { ByteSource } from "../../src/disk/byte-source.ts";

/** What a file of {@link makeExt4} is: content, or where a symbolic link leads. */
export type TreeFile = string | Buffer | { readonly link: string };

/** Makes an ext4 file system from these files in `folder`, as the root disks of machines are made. */
export async function makeExt4(
  folder: string,
  files: Readonly<Record<string, TreeFile>>,
  { size = 2 ** 24, options = [] as readonly string[] } = {},
): Promise<string> {
  const [tree, path] = [join(folder, "tree"), join(folder, "disk.ext4")];
  for (const [name, content] of Object.entries(files)) {
    const file = join(tree, name);
    await mkdir(dirname(file), { recursive: true });
    if (typeof content === "string" || Buffer.isBuffer(content)) await writeFile(file, content);
    else await symlink(content.link, file);
  }
  const disk = await open(path, "w");
  await disk.truncate(size);
  await disk.close();
  await spawn(["mkfs.ext4", "-q", "-F", "-m", "0", ...options, "-d", tree, path]);
  return path;
}

/** The bytes of a buffer. */
export function bufferSource(bytes: Buffer): ByteSource {
  return {
    async read(offset, length) {
      const part = Buffer.alloc(length);
      bytes.copy(part, 0, Math.min(offset, bytes.length));
      return part;
    },
  };
}

export async function sourceOf(path: string): Promise<ByteSource> {
  return bufferSource(await readFile(path));
}
