/** A process to be killed: brings half a file to the tree at a folder, by the call named, says so, and never ends. */

import { LocalFiles, plainAccess } from "../../../src/files/index.ts";
import { nativeFileCalls } from "../../../src/system/syscall.ts";
import { mtimeText } from "../../../src/tar/time.ts";
import { TarWriter } from "../../../src/tar/writer.ts";
import { owner } from "./root.ts";

const [root, call] = process.argv.slice(2);
const HALF = Buffer.alloc(1024 * 1024, "new ");
setInterval(() => undefined, 2 ** 30);
const files = new LocalFiles(plainAccess(root, nativeFileCalls()));
const { stream } = call === "write" ? await files.write("/file", owner) : await files.writeTree("/file");
const bring = (bytes: Buffer) => new Promise((resolve) => stream.write(bytes, resolve));
if (call !== "write") {
  const writer = new TarWriter();
  const facts = { name: ".", target: "", mode: 0o644, mtime: mtimeText(0n), ...owner };
  writer.entry({ ...facts, type: "file", size: 2 * HALF.length, xattrs: new Map() });
  await bring(writer.take());
}
await bring(HALF);
process.stdout.write("half\n");
