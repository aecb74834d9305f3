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
  await files.mkdir("/etc", { ...options, recursive: true });
  await replace(files, "/etc/hostname", `${name}\n`, options);
  const hosts = await readIfThere(files, "/etc/hosts");
  if (!hosts.split(/\s+/).includes(name)) await replace(files, "/etc/hosts", renderHosts(name, nics, hosts), options);
  if (nics.length > 0) await replace(files, "/etc/resolv.conf", renderResolvConf(nics), options);
}

/**
 * Replaces whatever is there: distributions have a symlink to a file that a service would write. At most starts the
 * file is already right.
 */
async function replace(files: FileOperations, path: string, content: string, options: Abortable): Promise<void> {
  if ((await readIfThere(files, path)) === content) return;
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
