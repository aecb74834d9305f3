import { chmod, chown, link, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { OciProcess } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { writeOciLayout } from "../../src/image/write.ts";

/** One entry of a layer. A string is the content of a file with mode 0644, owned by root. */
export type Entry =
  | string
  | { readonly text: string | Uint8Array; readonly mode?: number; readonly uid?: number; readonly gid?: number }
  | { readonly folder: true; readonly mode?: number; readonly uid?: number; readonly gid?: number }
  | { readonly link: string }
  /** Another name of a file of this layer, without a leading slash. */
  | { readonly same: string }
  /** mknod(1)'s arguments after the path. */
  | { readonly node: readonly string[] };

/** By path inside, without a leading slash. `busybox` is the fixture's whole root file system. */
export type LayerContent = "busybox" | Readonly<Record<string, Entry>>;

/** Makes an uncompressed tar of a layer's content. Needs root, for the owners. */
export async function buildLayer(folder: string, content: LayerContent): Promise<string> {
  await mkdir(folder, { recursive: true });
  const draft = await mkdtemp(join(folder, "layer-"));
  const tree = join(draft, "tree");
  if (content === "busybox") await makeBusyboxRootfs(tree);
  else {
    await mkdir(tree);
    for (const [path, entry] of Object.entries(content)) {
      if (typeof entry === "object" && "same" in entry) await link(join(tree, entry.same), join(tree, path));
      else await put(join(tree, path), entry);
    }
  }
  const tar = `${draft}.tar`;
  await spawn(["tar", "--sort=name", "--mtime=@1700000000", "--numeric-owner", "-C", tree, "-cf", tar, "."]);
  await rm(draft, { recursive: true });
  return tar;
}

async function put(path: string, entry: Exclude<Entry, { same: string }>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (typeof entry === "string") return writeFile(path, entry);
  if ("link" in entry) return symlink(entry.link, path);
  if ("node" in entry) return void (await spawn(["mknod", path, ...entry.node]));
  if ("folder" in entry) await mkdir(path, { recursive: true });
  else await writeFile(path, entry.text);
  await chmod(path, entry.mode ?? ((await lstat(path)).isDirectory() ? 0o755 : 0o644));
  await chown(path, entry.uid ?? 0, entry.gid ?? 0);
}

/** Builds layers and writes them as an image into the layout `folder/layout`. */
export async function buildImage(
  folder: string,
  tag: string,
  layers: readonly LayerContent[],
  config: Partial<OciProcess> = {},
  compression: "gzip" | "none" = "gzip",
) {
  const tars = [];
  for (const content of layers) tars.push({ tar: await buildLayer(folder, content) });
  const layout = join(folder, "layout");
  const written = await writeOciLayout({ folder: layout, tag, layers: tars, config, compression });
  return { ...written, source: `oci:${layout}:${tag}` };
}
