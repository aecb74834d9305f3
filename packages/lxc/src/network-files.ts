import { text } from "node:stream/consumers";
import { type Abortable, isInstanceError } from "@pileus/core";
import { type FileOperations, type NicAttachment, renderHosts, renderResolvConf } from "@pileus/core/driver";

/**
 * Writes the files with a system's own name and its resolvers, before it starts. An `/etc/hosts` that has the
 * instance's name is left alone.
 */
export async function writeNetworkFiles(
  files: FileOperations,
  instance: { readonly name: string; readonly nics: readonly NicAttachment[] },
  options: Abortable,
): Promise<void> {
  const { name, nics } = instance;
  const paths = ["/etc/hostname", "/etc/hosts", ...(nics.length > 0 ? ["/etc/resolv.conf"] : [])];
  const found = await Promise.all(paths.map((path) => readIfThere(files, path)));
  const [, hosts = ""] = found;
  const wanted = [
    `${name}\n`,
    hosts.split(/\s+/).includes(name) ? hosts : renderHosts(name, nics, hosts),
    renderResolvConf(nics),
  ];
  // At most starts there is none.
  const stale = paths.flatMap((path, index) =>
    found[index] === wanted[index] ? [] : [[path, wanted[index]] as const],
  );
  if (stale.length > 0) await files.mkdir("/etc", { ...options, recursive: true });
  for (const [path, content = ""] of stale) await replace(files, path, content, options);
}

/** Replaces whatever is there: distributions have a symlink to a file that a service would write. */
async function replace(files: FileOperations, path: string, content: string, options: Abortable): Promise<void> {
  await files.remove(path, { ...options, recursive: true });
  const { stream, done } = await files.write(path, options);
  stream.end(content);
  await done;
}

async function readIfThere(files: FileOperations, path: string): Promise<string> {
  try {
    const { size, type } = await files.stat(path, {});
    // No person wrote a larger file.
    return type === "file" && size < 1024 * 1024 ? await text(await files.read(path, {})) : "";
  } catch (error) {
    if (isInstanceError(error, "ERR_FILE")) return "";
    throw error;
  }
}
