import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageStore } from "../../../src/images/image-store.ts";
import { type OpenImageStoreOptions, openImageStore } from "../../../src/images/store.ts";
import { spawn } from "../../../src/system/spawn.ts";

/** A folder with a store in it, and a file beside it that nothing may touch. */
export class Scratch implements AsyncDisposable {
  readonly folder: string;
  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Scratch> {
    const scratch = new Scratch(await mkdtemp(join(tmpdir(), "pileus-images-")));
    await mkdir(scratch.path("outside"));
    await writeFile(scratch.path("outside/canary"), "alive");
    return scratch;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get root(): string {
    return this.path("images");
  }

  open(options: Partial<OpenImageStoreOptions> = {}): Promise<ImageStore> {
    return openImageStore({ folder: this.root, ...options });
  }

  /** Writes a file and returns its path. */
  async write(name: string, content: Buffer | string): Promise<string> {
    await writeFile(this.path(name), content);
    return this.path(name);
  }

  /** What is in the store that is not a lock or an empty folder. */
  async remains(): Promise<string[]> {
    const { stdout } = await spawn([
      "find",
      this.root,
      "-mindepth",
      "1",
      "(",
      "-type",
      "d",
      "-empty",
      "-o",
      "!",
      "-type",
      "d",
      ")",
      "-print",
    ]);
    const paths = stdout.split("\n").map((path) => path.slice(this.root.length + 1));
    return paths.filter((path) => !/^(locks\/store|[a-z]+|[a-z]+\/sha256|)$/.test(path));
  }

  async outside(): Promise<string> {
    return (await readdir(this.path("outside"))).join() + (await readFile(this.path("outside/canary"), "utf8"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Each file of a tree as a line with all that an unpacker must keep; sorted. Names are shown as bytes. */
export async function listing(tree: string): Promise<string[]> {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const visit = async (path: Buffer, name: string): Promise<void> => {
    const stats = await lstat(path, { bigint: true });
    const kind = stats.isDirectory()
      ? "d"
      : stats.isSymbolicLink()
        ? "l"
        : stats.isFile()
          ? "f"
          : stats.isFIFO()
            ? "p"
            : "c";
    const facts = [kind, (stats.mode & 0o7777n).toString(8), stats.uid, stats.gid, stats.mtimeNs];
    if (kind === "l") facts.push(await readlink(path, "latin1"));
    if (kind === "c") facts.push(stats.rdev);
    if (kind === "f") {
      const first = inodes.get(Number(stats.ino)) ?? name;
      inodes.set(Number(stats.ino), first);
      facts.push(stats.size, first === name ? "" : `= ${first}`, await contentOf(path));
    }
    lines.push(`${name} ${facts.join(" ")}`);
    if (kind !== "d") return;
    const names = (await readdir(path, { encoding: "buffer" })).sort(Buffer.compare);
    for (const one of names)
      await visit(Buffer.concat([path, Buffer.from("/"), one]), `${name}/${one.toString("latin1")}`);
  };
  await visit(Buffer.from(tree), ".");
  const { stdout } = await spawn([
    "sh",
    "-c",
    'cd "$1" && getfattr -Rhd -m - -e hex . 2>/dev/null || true',
    "sh",
    tree,
  ]);
  return [...lines, ...stdout.split("\n")];
}

async function contentOf(path: Buffer): Promise<string> {
  const content = await readFile(path);
  return content.length > 100
    ? `${content.length}:${content.subarray(0, 100).toString("base64")}`
    : content.toString("base64");
}
