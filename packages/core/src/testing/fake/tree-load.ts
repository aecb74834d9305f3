import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { ImageTree } from "../../contract/image-tree.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { FakeTree, type FolderNode, fileNode, folderNode, linkNode } from "./tree.ts";

const STANDARD: Readonly<Record<string, string>> = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n",
  "/etc/group": "root:x:0:\ndaemon:x:1:\n",
};

/** Copies the files of an image into memory, and adds what every instance has: `/tmp`, `/root`, `passwd`, `group`. */
export async function loadTree(image: ImageTree, options: Abortable): Promise<FakeTree> {
  const tree = new FakeTree();
  if (image.kind === "layers") await copyFolder(await image.merged(options), tree.root, options);
  for (const folder of ["/bin", "/dev", "/etc", "/root", "/run"]) tree.makeFolders(folder);
  tree.makeFolders("/tmp", { mode: 0o1777 });
  tree.makeFolders("/proc").mounted = true;
  for (const [path, content] of Object.entries(STANDARD)) {
    if (tree.find(path) === undefined) tree.write(path, Buffer.from(content));
  }
  return tree;
}

async function copyFolder(source: string, target: FolderNode, options: Abortable): Promise<void> {
  for (const name of await readdir(source)) {
    options.signal?.throwIfAborted();
    const path = join(source, name);
    const stat = await lstat(path);
    const facts = {
      mode: stat.mode & 0o7777,
      ...ownerInside(stat),
      mtimeNs: BigInt(Math.floor(stat.mtimeMs)) * 1_000_000n,
    };
    if (stat.isDirectory()) {
      const folder = folderNode(facts);
      target.entries.set(name, folder);
      await copyFolder(path, folder, options);
    } else if (stat.isSymbolicLink()) target.entries.set(name, linkNode(await readlink(path), facts));
    else if (stat.isFile()) target.entries.set(name, fileNode(await readFile(path), facts));
    else if (stat.isFIFO()) target.entries.set(name, { type: "fifo", ...facts });
  }
}

/** Files of the user that runs the tests belong to root inside, even if that user is not root. */
function ownerInside({ uid, gid }: { readonly uid: number; readonly gid: number }) {
  return { uid: uid === process.geteuid?.() ? 0 : uid, gid: gid === process.getegid?.() ? 0 : gid };
}
