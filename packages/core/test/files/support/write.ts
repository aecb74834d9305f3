import type { LocalFiles } from "../../../src/files/index.ts";

/** Whoever runs this owns what is made: other owners need root, and are tested in the root tier. */
export const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** Writes a file of such content, and waits until it is in place. */
export async function write(files: LocalFiles, path: string, content: string, mode?: number): Promise<void> {
  const { stream, done } = await files.write(path, { ...owner, mode });
  stream.end(content);
  await done;
}
